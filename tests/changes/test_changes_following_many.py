"""A branch moves to which several changes go: each follows by itself, and none waits for another."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from apps.changes.jobs import changes_behind, repositories_with_updates, take_ref_updates
from apps.changes.models import ChangeRequest
from apps.changes.services import create_change, follow_branches, following
from apps.changes.transitions import swap
from apps.repositories.models import Repository
from apps.repositories.services import synchronise
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db
MOVED = [(1, "attached"), (2, "target_moved")]


@pytest.fixture
def infra(tmp_path) -> Repository:
    """Three changes, a, b and c, to main, which has moved since; that is recorded and not taken yet."""
    people = cast()
    repository, work = connected(tmp_path, people.carol, members={"alice": "author", "bob": "reviewer"})
    for name in "abc":
        branch_with(work, name, {name: "1\n"})
        create_change(people.alice, repository=repository, title=name, source_branch=name)
    assert synchronise(repository.pk)
    take_ref_updates(repository.pk)
    work.checkout("main")
    work.commit("elsewhere", files={"d": "1"})
    work.push()
    assert synchronise(repository.pk)
    return repository


def stories() -> list[list[tuple[int, str]]]:
    changes = ChangeRequest.objects.order_by("number")
    return [list(change.revisions.order_by("number").values_list("number", "cause")) for change in changes]


def test_where_a_look_is_broken_off_what_was_done_is_done_and_the_sweep_does_the_rest(infra, monkeypatch):
    real, count = following.write_revision, iter((1, 2))

    def broken_off(change, *args, **facts):
        if next(count) == 2:
            raise OperationalError("the connection is lost")
        return real(change, *args, **facts)

    monkeypatch.setattr(following, "write_revision", broken_off)
    with pytest.raises(OperationalError):
        take_ref_updates(infra.pk)
    monkeypatch.setattr(following, "write_revision", real)
    assert stories() == [MOVED, MOVED[:1], MOVED[:1]]
    assert repositories_with_updates(10) == []
    assert len(changes_behind(10)) == 2
    for pk in changes_behind(10):
        follow_branches(pk)
    assert stories() == [MOVED] * 3


def test_a_change_that_moves_meanwhile_puts_off_no_other_and_is_looked_at_again(infra, monkeypatch):
    real, seen = following.prepare, []

    def moved_meanwhile(change, **facts):
        snapshot = real(change, **facts)
        seen.append(change.title)
        if seen.count("b") == 1 == len(seen) - 1:
            swap(ChangeRequest.objects.get(pk=change.pk))
        return snapshot

    monkeypatch.setattr(following, "prepare", moved_meanwhile)
    take_ref_updates(infra.pk)
    assert seen == ["a", "b", "b", "c"]
    assert stories() == [MOVED] * 3
