"""A branch that was pushed a moment ago is found, also while the portal looks at the remote at that very moment."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.changes import branches
from apps.changes.services import create_change, reopen, withdraw
from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.repositories.models import Repository
from apps.repositories.services import synchronise
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def looked_at(tmp_path):
    """A repository that somebody else looks at, who has asked its remote before the branch was pushed; and their fence."""
    people = cast()
    repository, work = connected(tmp_path, people.carol, members={"alice": "author"})
    fence = Repository.objects.claim(repository.pk, seconds=60)
    branch_with(work, "just-now", {"a.txt": "1\n"})
    return people.alice, repository, fence


def test_who_looks_just_now_is_waited_for_and_then_it_is_looked_again(looked_at, monkeypatch):
    alice, repository, fence = looked_at
    waited = []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 2:
            Repository.objects.release(repository.pk, fence=fence)

    monkeypatch.setattr(branches, "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    change = create_change(alice, repository=repository, title="Pushed just now", source_branch="just-now")
    assert change.status == "in_review"
    assert waited[:2] == [branches.BETWEEN, branches.BETWEEN]


def test_others_who_are_always_quicker_see_it_for_whoever_waits(looked_at, monkeypatch):
    alice, repository, fence = looked_at
    held = [fence]

    def wait(_seconds):
        """Who looks is done, looks once more, and begins the next look before anybody else can."""
        Repository.objects.release(repository.pk, fence=held[-1])
        if len(held) > 1:
            assert synchronise(repository.pk)
        held.append(Repository.objects.claim(repository.pk, seconds=60))

    monkeypatch.setattr(branches, "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    assert create_change(alice, repository=repository, title="Just now", source_branch="just-now").status == "in_review"
    assert len(held) == 3, "the look that was under way tells nothing, the next one does"


def test_a_branch_that_nobody_knows_is_waited_for_longer_than_one_that_is_known(looked_at, monkeypatch):
    alice, repository, fence = looked_at
    monkeypatch.setattr(branches, "LONGEST_WAIT", 0.0)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        Repository.objects.release(repository.pk, fence=fence)

    monkeypatch.setattr(branches, "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    assert create_change(alice, repository=repository, title="Known", target_branch="main").status == "requested"
    assert waited == []
    assert create_change(alice, repository=repository, title="Just now", source_branch="just-now").status == "in_review"
    assert waited == [branches.BETWEEN]


def test_nobody_waits_for_ever_and_the_answer_says_what_to_do(looked_at, monkeypatch):
    alice, repository, _ = looked_at
    monkeypatch.setattr(branches, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(branches, "LONGEST_FOR_UNKNOWN", 0.1)
    with pytest.raises(Unavailable, match=r"takes long.*try again") as refused:
        create_change(alice, repository=repository, title="Pushed just now", source_branch="just-now")
    assert refused.value.code == "not_looked"


def test_a_branch_is_not_called_unknown_while_its_host_does_not_answer(looked_at):
    alice, repository, fence = looked_at
    Repository.objects.release(repository.pk, fence=fence)
    host = Path(repository.url.removeprefix("file://"))
    host.rename(aside := host.with_suffix(".away"))
    for _ in ("the look fails", "the look before has failed"):
        with pytest.raises(Unavailable, match="has not seen a branch 'just-now'") as refused:
            create_change(alice, repository=repository, title="Pushed just now", source_branch="just-now")
        repository.refresh_from_db()
        assert repository.sync_problem["message"] in refused.value.message
    aside.rename(host)
    assert create_change(alice, repository=repository, title="Here", source_branch="just-now").status == "in_review"
    with pytest.raises(InvalidInput, match="synchronise the repository and try again") as unknown:
        create_change(alice, repository=repository, title="Never pushed", source_branch="never")
    assert unknown.value.code == "unknown_branch"


def test_a_request_without_code_finds_its_target_too_and_asks_only_for_what_is_not_known(looked_at, monkeypatch):
    alice, repository, fence = looked_at
    monkeypatch.setattr(branches, "LONGEST_FOR_UNKNOWN", 0.1)
    for target in ("main", ""):
        assert create_change(alice, repository=repository, title="Known", target_branch=target).target_branch == "main"
    with pytest.raises(Unavailable, match="has not seen a branch 'just-now'") as refused:
        create_change(alice, repository=repository, title="Not yet", target_branch="just-now")
    assert refused.value.code == "not_looked"
    Repository.objects.release(repository.pk, fence=fence)
    change = create_change(alice, repository=repository, title="Pushed just now", target_branch="just-now")
    assert (change.status, change.target_branch) == ("requested", "just-now")
    with pytest.raises(InvalidInput) as unknown:
        create_change(alice, repository=repository, title="Never pushed", target_branch="never")
    assert unknown.value.code == "unknown_branch"


def test_a_branch_that_was_pushed_again_is_not_called_gone_while_its_host_does_not_answer(looked_at):
    alice, repository, fence = looked_at
    Repository.objects.release(repository.pk, fence=fence)
    change = create_change(alice, repository=repository, title="Comes and goes", source_branch="just-now")
    withdraw(alice, change=change)
    host = Path(repository.url.removeprefix("file://"))
    renamed = ["git", "-C", str(host), "branch", "-m"]
    subprocess.run([*renamed, "just-now", "elsewhere"], check=True)
    with pytest.raises(Conflict) as gone:
        reopen(alice, change=change)
    assert gone.value.code == "source_gone"
    subprocess.run([*renamed, "elsewhere", "just-now"], check=True)
    host.rename(aside := host.with_suffix(".away"))
    with pytest.raises(Unavailable) as refused:
        reopen(alice, change=change)
    assert refused.value.code == "not_looked"
    aside.rename(host)
    assert reopen(alice, change=change).status == "draft"
