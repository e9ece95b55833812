"""A change on its way: what each step allows, who may do it, and that each leaves one entry and one notice."""

from __future__ import annotations

import pytest

from apps.audit.actors import SYSTEM
from apps.audit.models import AuditEntry
from apps.changes import queries
from apps.changes.jobs import take_ref_updates
from apps.changes.lifecycle import TRANSITIONS, Event, Status, next_status
from apps.changes.services import (
    back_to_draft,
    close_change,
    create_change,
    create_inverse_change,
    mark_ready,
    reopen,
    take_ownership,
    withdraw,
)
from apps.changes.signals import change_changed
from apps.changes.transitions import Entry, begin_merge, finish, land, resume, return_to_review
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.core.work import work_requested
from apps.repositories.services import synchronise
from apps.vcs.merging import SYNTHETIC, write_commit
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import branch_with, connected


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("event", list(Event))
def test_only_the_listed_transitions_exist(status, event):
    if (status, event) in TRANSITIONS:
        assert next_status(str(status), event) == TRANSITIONS[(status, event)]
    else:
        with pytest.raises(Conflict) as refusal:
            next_status(str(status), event)
        assert refusal.value.code == "wrong_state"


@pytest.fixture
def people(db):
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "bob": "reviewer", "kim": "viewer"})


@pytest.fixture
def change(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1\n"})
    return create_change(people.alice, repository=repository, title="X", source_branch="x")


def actions() -> list[str]:
    return list(AuditEntry.objects.filter(change_number=1).order_by("seq").values_list("action", flat=True))


def merged(change, people, commit: str = "c" * 40):
    begin_merge(change, version=change.version, actor=people.carol)
    land(change, commit=commit, actor=people.carol)
    return change


def test_draft_and_ready_and_back(change, people):
    back_to_draft(people.alice, change=change)
    assert change.status == "draft"
    with pytest.raises(Conflict):
        back_to_draft(people.alice, change=change)
    mark_ready(people.alice, change=change)
    assert change.status == "in_review"
    with pytest.raises(NotAllowed):
        back_to_draft(people.kim, change=change)
    assert actions() == ["change.opened", "change.made_draft", "change.made_ready"]


def test_the_whole_way_leaves_one_entry_a_step(change, people):
    merged(change, people)
    assert change.merge_commit == "c" * 40 and change.merged_at is not None
    finish(change, SYSTEM)
    resume(change, people.carol)
    close_change(people.carol, change=change, reason="Staging is gone")
    assert change.status == "done" and change.closed_reason == "Staging is gone"
    assert actions() == [
        "change.opened", "change.merging", "change.merged", "change.completed", "change.reopened", "change.closed",
    ]  # fmt: skip


def test_an_upper_context_may_say_it_in_its_own_entry(change, people):
    entry = Entry("merge.requested", "carol merges", {"intent": 7})
    begin_merge(change, version=change.version, actor=people.carol, entry=entry)
    assert actions() == ["change.opened", "merge.requested"]
    assert AuditEntry.objects.get(action="merge.requested").data["intent"] == 7


def test_a_failed_merge_goes_back_to_review_with_its_reason(change, people):
    begin_merge(change, version=change.version, actor=people.carol)
    return_to_review(change, "main moved", people.carol)
    assert change.status == "in_review"
    assert "main moved" in AuditEntry.objects.get(action="change.merge_failed").summary


def test_closing_needs_a_maintainer_and_a_reason(change, people):
    merged(change, people)
    with pytest.raises(NotAllowed):
        close_change(people.alice, change=change, reason="x")
    with pytest.raises(InvalidInput):
        close_change(people.carol, change=change, reason="  ")


def test_a_merging_or_merged_change_cannot_be_withdrawn(change, people):
    begin_merge(change, version=change.version, actor=people.carol)
    with pytest.raises(Conflict):
        withdraw(people.alice, change=change)
    with pytest.raises(Conflict):
        reopen(people.alice, change=change)


def test_a_withdrawn_change_needs_no_owner(change, people):
    withdraw(people.alice, change=change)
    with pytest.raises(Conflict):
        take_ownership(people.bob, change=change)


def test_every_transition_tells_the_contexts_above_after_commit(change, people, django_capture_on_commit_callbacks):
    seen: list[object] = []

    def note(sender, **facts):
        facts.pop("signal")
        seen.append(facts)

    change_changed.connect(note)
    work_requested.connect(note)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            back_to_draft(people.alice, change=change)
            assert seen == []
    finally:
        change_changed.disconnect(note)
        work_requested.disconnect(note)
    assert {"change_id": change.pk} in seen
    assert {"name": "reviews.refresh_reviewers", "pk": change.pk} in seen


def inverse_of(infra, people, change):
    """``x`` merged on main by the portal, and a commit that takes it back."""
    repository, work = infra
    base = work.rev_parse("main")
    work.checkout("main")
    tip = work.merge("x")
    work.push()
    merged(change, people, tip)
    synchronise(repository.pk)
    take_ref_updates(repository.pk)
    head = write_commit(
        repository.mirror_path, tree=GitRepo(repository.mirror_path).tree(base), parents=(tip,),
        message="Take back", author=SYNTHETIC, committer=SYNTHETIC,
    )  # fmt: skip
    return create_inverse_change(
        people.carol, change=change, environments=["staging"], title="Roll back X", description="", head_oid=head
    )


def test_an_inverse_change_takes_back_the_effect_and_belongs_to_who_asked(infra, people, change):
    inverse = inverse_of(infra, people, change)
    assert (inverse.kind, inverse.status, inverse.rolls_back) == ("rollback", "in_review", change)
    assert (inverse.source_branch, inverse.rollback_environments) == ("", ["staging"])
    assert inverse.revision.cause == "inverse" and inverse.revision.paths == ["a"]
    assert [(person.user.username, person.how) for person in queries.contributors(inverse)] == [("carol", ("opened",))]
    assert queries.git_facts(inverse).is_current


def test_an_inverse_change_follows_its_target(infra, people, change):
    repository, work = infra
    inverse = inverse_of(infra, people, change)
    work.commit("more", files={"b": "1"})
    work.push()
    synchronise(repository.pk)
    take_ref_updates(repository.pk)
    inverse.refresh_from_db()
    assert (inverse.revision.number, inverse.revision.cause, inverse.revision.paths) == (2, "target_moved", ["a"])
    assert [person.user.username for person in queries.contributors(inverse)] == ["carol"]


def test_an_inverse_change_can_be_withdrawn_and_reopened(infra, people, change):
    inverse = inverse_of(infra, people, change)
    withdraw(people.carol, change=inverse)
    reopen(people.carol, change=inverse)
    assert inverse.status == "draft" and inverse.revision.cause == "reopened"
