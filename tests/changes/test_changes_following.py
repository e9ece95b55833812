"""Git moves, the change follows: every movement is a new fact and never an overwrite."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.changes import queries
from apps.changes.jobs import changes_behind, repositories_with_updates, repositories_without_pins, take_ref_updates
from apps.changes.models import ChangeRequest, Revision
from apps.changes.services import (
    back_to_draft,
    create_change,
    follow_branches,
    reopen,
    restore_pins,
    retarget,
    withdraw,
)
from apps.changes.transitions import append_revision, begin_merge, return_to_review
from apps.core.errors import Conflict, InvalidInput
from apps.repositories.queries import tip
from apps.repositories.services import synchronise
from apps.reviews.facts import approval_facts
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "bob": "reviewer"})


@pytest.fixture
def change(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1\n"})
    return create_change(people.alice, repository=repository, title="X", source_branch="x")


def follow(repository) -> None:
    assert synchronise(repository.pk)
    take_ref_updates(repository.pk)


def story(change: ChangeRequest) -> list[tuple[int, str]]:
    change.refresh_from_db()
    return list(change.revisions.order_by("number").values_list("number", "cause"))


def test_push_force_push_target_move_deletion_and_return_are_all_facts(infra, change):
    repository, work = infra
    work.commit("second", files={"a": "2\n"})
    work.push()
    follow(repository)
    work.run("reset", "-q", "--hard", "main")
    rewritten = work.commit("rewritten", files={"a": "3\n"})
    work.push(force=True)
    follow(repository)
    work.checkout("main")
    work.commit("elsewhere", files={"b": "1"})
    work.push()
    follow(repository)
    work.push(":refs/heads/x")
    follow(repository)
    change.refresh_from_db()
    assert change.source_deleted_at is not None
    assert queries.git_facts(change).reasons[0].code == "source_gone"
    work.push(f"{rewritten}:refs/heads/x")
    follow(repository)
    assert story(change) == [
        (1, "attached"), (2, "pushed"), (3, "force_pushed"), (4, "target_moved"), (5, "branch_recreated"),
    ]  # fmt: skip
    assert change.source_deleted_at is None and change.status == "in_review"
    assert queries.git_facts(change).reasons == ()


def test_all_old_revisions_stay_readable_after_branches_are_gone(infra, change):
    repository, work = infra
    work.run("reset", "-q", "--hard", "main")
    work.commit("rewritten", files={"a": "3\n"})
    work.push(force=True)
    follow(repository)
    work.push(":refs/heads/x")
    follow(repository)
    mirror = GitRepo(repository.mirror_path)
    mirror.run("gc", "-q", "--prune=now")
    texts = [mirror.run("show", f"{revision.result_tree}:a") for revision in queries.revisions(change)]
    assert texts == ["1", "3"]


def test_looking_twice_adds_nothing(infra, change):
    repository, work = infra
    work.commit("second", files={"a": "2\n"})
    work.push()
    follow(repository)
    entries = AuditEntry.objects.count()
    follow(repository)
    take_ref_updates(repository.pk)
    assert len(story(change)) == 2 and AuditEntry.objects.count() == entries
    assert repositories_with_updates(10) == []


def test_the_same_head_and_target_make_no_second_revision(infra, change, people):
    revision = change.revision
    again = append_revision(
        change,
        cause="pushed",
        head=revision.head_oid,
        target=revision.target_oid,
        actor=people.alice,
        pusher=people.bob,
    )
    assert again == revision and len(story(change)) == 1
    assert people.bob.pk in queries.contributor_ids(change)


def test_a_revision_row_is_never_changed(infra, change):
    repository, work = infra
    before = Revision.objects.filter(number=1).values().get()
    work.commit("second", files={"a": "2\n"})
    work.push()
    follow(repository)
    assert Revision.objects.filter(number=1).values().get() == before


def test_two_pushes_between_two_looks_lose_no_contributor(infra, change, people):
    repository, work = infra
    work.commit("by bob", files={"a": "2\n"}, author="Bob <bob@example.org>")
    work.push()
    synchronise(repository.pk)
    work.run("reset", "-q", "--hard", "main")
    work.commit("alone", files={"a": "3\n"})
    work.push(force=True)
    synchronise(repository.pk)
    take_ref_updates(repository.pk)
    assert people.bob.pk in queries.contributor_ids(change)
    assert change.revisions.last().head_oid == work.rev_parse("HEAD")


def test_contributors_only_grow(infra, change, people):
    repository, work = infra
    work.commit(
        "with help\n\nCo-authored-by: Kim <KIM@example.org>", files={"a": "2\n"},
        author="Bob <bob@example.org>", committer="Robot <robot@nowhere.test>",
    )  # fmt: skip
    work.push()
    follow(repository)
    work.run("reset", "-q", "--hard", "main")
    work.commit("alone", files={"a": "9\n"})
    work.push(force=True)
    follow(repository)
    known = {person.user.username: person.how for person in queries.contributors(change) if person.user}
    assert set(known) == {"alice", "bob", "kim"}
    assert set(known["alice"]) == {"opened", "authored", "committed"} and known["kim"] == ("co_authored",)
    assert [person.email for person in queries.unknown_contributors(change)] == ["robot@nowhere.test"]
    assert queries.contribution_of(people.bob, change) == "wrote commits"
    assert queries.contribution_of(people.carol, change) == ""


def test_an_address_that_is_verified_later_counts_from_the_start(infra, change, people):
    from allauth.account.models import EmailAddress

    repository, work = infra
    work.commit("by an alias", files={"a": "2\n"}, author="B. <b@private.test>")
    work.push()
    follow(repository)
    assert people.bob.pk not in queries.contributor_ids(change)
    EmailAddress.objects.create(user=people.bob, email="B@private.test", verified=True)
    assert people.bob.pk in queries.contributor_ids(change)
    change.refresh_from_db()
    bob = next(one for one in approval_facts(change).contributors if one.person == people.bob.pk)
    assert bob.revision == 2


def test_a_second_branch_merged_into_the_source_is_a_new_revision(infra, change):
    repository, work = infra
    work.run("checkout", "-q", "-b", "y", "main")
    work.commit("y", files={"y": "1"})
    work.checkout("x")
    work.merge("y")
    work.push("x")
    follow(repository)
    assert story(change)[-1] == (2, "pushed")
    change.refresh_from_db()
    assert change.revision.paths == ["a", "y"]


def test_an_outside_merge_is_noticed(infra, change):
    repository, work = infra
    work.checkout("main")
    work.merge("x")
    work.push()
    follow(repository)
    change.refresh_from_db()
    facts = queries.git_facts(change)
    assert facts.landed_outside and facts.reasons[0].code == "landed_outside"
    assert change.revision.files_changed == 0 and change.status == "in_review"


def test_history_rewritten_without_a_common_commit_is_shown_and_does_not_stop_others(infra, change, people):
    repository, work = infra
    branch_with(work, "z", {"z": "1"})
    other = create_change(people.alice, repository=repository, title="Z", source_branch="z")
    work.commit("z2", files={"z": "2"})
    work.push()
    work.run("checkout", "-q", "--orphan", "island")
    work.commit("island", files={"island": "1"})
    work.push("HEAD:refs/heads/x", force=True)
    follow(repository)
    change.refresh_from_db()
    assert queries.git_facts(change).unrelated and queries.git_facts(change).reasons[0].code == "unrelated_histories"
    assert len(story(other)) == 2


def test_retargeting_is_a_new_revision_under_the_other_branch(infra, change, people):
    _repository, work = infra
    work.push("main:refs/heads/live")
    retarget(people.alice, change=change, target_branch="live")
    assert story(change) == [(1, "attached"), (2, "retargeted")]
    assert (change.target_branch, change.revision.target_branch) == ("live", "live")
    for wrong, code in [("live", "same_branch"), ("x", "same_branch"), ("none", "unknown_branch")]:
        with pytest.raises(InvalidInput) as refusal:
            retarget(people.alice, change=change, target_branch=wrong)
        assert refusal.value.code == code


def test_drafts_follow_and_withdrawn_changes_do_not(infra, change, people):
    repository, work = infra
    back_to_draft(people.alice, change=change)
    work.commit("2", files={"a": "2\n"})
    work.push()
    follow(repository)
    assert len(story(change)) == 2
    withdraw(people.alice, change=change)
    work.commit("3", files={"a": "3\n"})
    work.push()
    follow(repository)
    assert len(story(change)) == 2


def test_reopening_is_a_new_revision_even_if_nothing_moved(infra, change, people):
    withdraw(people.alice, change=change, reason="Not now")
    reopen(people.alice, change=change)
    assert story(change) == [(1, "attached"), (2, "reopened")]
    assert change.status == "draft" and change.closed_reason == ""


def test_a_change_whose_branch_is_gone_cannot_be_reopened(infra, change, people):
    _repository, work = infra
    withdraw(people.alice, change=change)
    work.push(":refs/heads/x")
    with pytest.raises(Conflict) as refusal:
        reopen(people.alice, change=change)
    assert refusal.value.code == "source_gone"


def test_branch_deleted_recreated_with_other_content_and_reopened_shows_the_other_content(infra, change, people):
    """RELIABILITY case 4 (gitlab-org/gitlab#436977)."""
    repository, work = infra
    first = change.revision
    withdraw(people.alice, change=change)
    work.push(":refs/heads/x")
    follow(repository)
    work.run("checkout", "-q", "-B", "x", "main")
    work.commit("other", files={"evil": "1"})
    work.push()
    reopen(people.alice, change=change)
    assert change.revision.number == 2 and change.revision.subject != first.subject
    assert change.revision.paths == ["evil"]


def test_a_push_during_a_merge_that_fails_is_taken_afterwards(infra, change, people):
    repository, work = infra
    begin_merge(change, version=change.version, actor=people.carol)
    work.commit("late", files={"a": "late\n"})
    work.push()
    follow(repository)
    assert len(story(change)) == 1 and changes_behind(10) == []
    return_to_review(change, "main moved", people.carol)
    assert changes_behind(10) == [change.pk]
    follow_branches(change.pk)
    assert story(change) == [(1, "attached"), (2, "pushed")]
    assert changes_behind(10) == []


def test_a_deletion_that_nobody_took_is_found_by_the_sweep(infra, change):
    repository, _ = infra
    repository.branch_tips.filter(name="x").delete()
    repository.ref_updates.update(taken_at=change.created_at)
    assert changes_behind(10) == [change.pk]
    follow_branches(change.pk)
    change.refresh_from_db()
    assert change.source_deleted_at is not None and changes_behind(10) == []


def test_pins_come_back_after_the_mirror_was_lost(infra, change):
    import shutil

    repository, _work = infra
    shutil.rmtree(repository.mirror_path)
    assert synchronise(repository.pk)
    assert repositories_without_pins(10) == [repository.pk]
    restore_pins(repository.pk)
    assert repositories_without_pins(10) == []
    pins = GitRepo(repository.mirror_path).run("for-each-ref", "--format=%(objectname)", "refs/portal/changes/").split()
    assert change.revision.head_oid in pins and len(pins) == 3


def test_an_orphan_pin_of_a_lost_race_does_not_stand_in_the_way(infra, change, people):
    from apps.changes.transitions import prepare

    repository, work = infra
    orphan = work.commit("orphan", files={"a": "orphan\n"})
    work.push()
    synchronise(repository.pk)
    prepare(change, head=orphan, target=change.revision.target_oid)  # killed here: no row
    work.run("reset", "-q", "--hard", "main")
    work.commit("real", files={"a": "real\n"})
    work.push(force=True)
    follow(repository)
    assert change.revisions.last().number == 2
    assert change.revisions.last().head_oid == tip(repository, "x") == work.rev_parse("HEAD")


@pytest.mark.parametrize(
    "said",
    [
        "bob@example.org", "Bob <bob@example.org> (paired)", "<BOB@example.org>", "Bob bob@example.org",
        "Kim <kim@example.org>, Bob <bob@example.org>", "kim@example.org, bob@example.org",
        "Kim <kim@example.org>; bob@example.org", "Bob <bob@example.org", "a, " * 30_000 + "Bob <bob@example.org>",
    ],
    ids=range(9),
)  # fmt: skip
def test_a_co_author_counts_however_the_address_is_written(infra, change, people, said):
    repository, work = infra
    work.commit(f"second\n\nCo-authored-by: {said}\n", files={"a": "2\n"})
    work.push()
    follow(repository)
    assert people.bob.pk in queries.contributor_ids(change)


def test_a_co_author_without_an_address_is_somebody_whom_nobody_knows(infra, change, people):
    repository, work = infra
    work.commit("second\n\nCo-authored-by: Somebody Else\n", files={"a": "2\n"})
    work.push()
    follow(repository)
    assert [person.name for person in queries.unknown_contributors(change)] == ["Somebody Else"]
