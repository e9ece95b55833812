"""Two at once: exactly one wins, the other is told, and the log tells one story."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.audit.verification import verify
from apps.changes.jobs import take_ref_updates
from apps.changes.models import ChangeRequest, Revision
from apps.changes.services import create_change, edit_change, withdraw
from apps.changes.transitions import append_revision, begin_merge
from apps.core.errors import Conflict, PortalError
from apps.repositories.models import RefUpdate
from apps.repositories.services import synchronise
from tests.support.people import cast
from tests.support.repositories import branch_with, connected


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run all acts in threads that start together; results or errors in their order."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return act()
        except PortalError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.fixture
def people(db):
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "bob": "author"})


def fresh(change: ChangeRequest) -> ChangeRequest:
    return ChangeRequest.objects.get(pk=change.pk)


def opened(infra, people, name: str = "x") -> ChangeRequest:
    repository, work = infra
    branch_with(work, name, {"a": "1\n"})
    return create_change(people.alice, repository=repository, title="X", source_branch=name)


def test_a_merge_with_a_stale_version_is_refused(infra, people):
    stale = opened(infra, people)
    edit_change(people.alice, change=fresh(stale), title="Other")
    with pytest.raises(Conflict) as refusal:
        begin_merge(stale, version=stale.version, actor=people.carol)
    assert refusal.value.code == "change_moved" and fresh(stale).status == "in_review"


def test_of_two_stale_instances_one_begins_the_merge(infra, people):
    change = opened(infra, people)
    one, two = fresh(change), fresh(change)
    begin_merge(one, version=one.version, actor=people.carol)
    with pytest.raises(Conflict):
        begin_merge(two, version=two.version, actor=people.alice)
    assert AuditEntry.objects.filter(action="change.merging").count() == 1


def test_a_push_after_the_merge_began_makes_no_revision(infra, people):
    repository, work = infra
    change = opened(infra, people)
    stale = fresh(change)
    head = work.commit("late", files={"a": "2\n"})
    work.push()
    synchronise(repository.pk)
    begin_merge(change, version=change.version, actor=people.carol)
    with pytest.raises(Conflict) as refusal:
        append_revision(stale, cause="pushed", head=head, target=work.rev_parse("main"), actor=people.alice)
    assert refusal.value.code == "wrong_state" and Revision.objects.count() == 1


def test_a_merge_that_saw_the_older_revision_loses_against_the_push(infra, people):
    repository, work = infra
    change = opened(infra, people)
    stale = fresh(change)
    work.commit("late", files={"a": "2\n"})
    work.push()
    synchronise(repository.pk)
    take_ref_updates(repository.pk)
    with pytest.raises(Conflict):
        begin_merge(stale, version=stale.version, actor=people.carol)
    assert fresh(change).status == "in_review" and fresh(change).revision.number == 2


def test_an_update_is_retried_when_the_change_moves_under_it(infra, people, monkeypatch):
    repository, work = infra
    change = opened(infra, people)
    work.commit("second", files={"a": "2\n"})
    work.push()
    synchronise(repository.pk)
    from apps.changes.services import following

    prepare, calls = following.prepare, []

    def interrupted(stale, **options):
        found = prepare(stale, **options)
        if not calls:
            edit_change(people.alice, change=fresh(change), title="Edited meanwhile")
        calls.append(1)
        return found

    monkeypatch.setattr(following, "prepare", interrupted)
    take_ref_updates(repository.pk)
    assert len(calls) == 2
    assert fresh(change).revision.number == 2 and fresh(change).title == "Edited meanwhile"


@pytest.mark.django_db(transaction=True)
def test_two_creates_of_the_same_pair_make_one_change(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    synchronise(repository.pk)
    results = at_once(
        *(
            lambda who=who: create_change(who, repository=repository, title="X", source_branch="x")
            for who in (people.alice, people.bob)
        )
    )
    made = [result for result in results if isinstance(result, ChangeRequest)]
    lost = [result for result in results if isinstance(result, Conflict)]
    assert len(made) == len(lost) == 1 and lost[0].code == "branch_pair_taken"
    assert lost[0].details["number"] == made[0].number == 1
    assert Revision.objects.count() == ChangeRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_withdrawing_twice_at_once_is_one_withdrawal(infra, people):
    change = opened(infra, people)
    results = at_once(*(lambda: withdraw(people.alice, change=fresh(change)) for _ in range(4)))
    assert sum(isinstance(result, ChangeRequest) for result in results) == 1
    assert {error.code for error in results if isinstance(error, PortalError)} <= {"wrong_state", "change_moved"}
    assert AuditEntry.objects.filter(action="change.withdrawn").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", range(4))
def test_push_against_merge_has_exactly_one_winner(infra, people, round_number):
    repository, work = infra
    change = opened(infra, people)
    seen = fresh(change)
    head, target = work.commit("late", files={"a": "2\n"}), work.rev_parse("main")
    work.push()
    synchronise(repository.pk)
    results = at_once(
        lambda: begin_merge(seen, version=seen.version, actor=people.carol),
        lambda: append_revision(fresh(change), cause="pushed", head=head, target=target, actor=people.alice),
    )
    now = fresh(change)
    merged, pushed = (not isinstance(result, PortalError) for result in results)
    assert merged != pushed
    assert (now.status, now.revision.number) == (("merging", 1) if merged else ("in_review", 2))


@pytest.mark.django_db(transaction=True)
def test_four_workers_take_each_update_once(infra, people):
    repository, work = infra
    change = opened(infra, people)
    for text in "234":
        work.commit(text, files={"a": text})
        work.push()
        synchronise(repository.pk)
    work.push("HEAD:refs/heads/change/CHG-2")
    create_change(people.alice, repository=repository, title="Backlog")
    synchronise(repository.pk)
    at_once(*(lambda: take_ref_updates(repository.pk) for _ in range(4)))
    take_ref_updates(repository.pk)
    assert not RefUpdate.objects.untaken().exists()
    assert [row.number for row in fresh(change).revisions.order_by("number")] == [1, 2]
    assert AuditEntry.objects.filter(action="change.attached").count() == 1
    assert verify().ok


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gaps_when_many_ask_at_once(infra, people):
    repository, _ = infra
    results = at_once(*(lambda: create_change(people.alice, repository=repository, title="X").number for _ in range(6)))
    assert sorted(results) == [1, 2, 3, 4, 5, 6]
