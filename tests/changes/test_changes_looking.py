"""A branch that was pushed a moment ago is found, also while the portal looks at the remote at that very moment."""

from __future__ import annotations

import pytest

from apps.changes import branches
from apps.changes.services import create_change
from apps.core.errors import InvalidInput
from apps.repositories.models import Repository
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

    monkeypatch.setattr(branches.time, "sleep", wait)
    change = create_change(alice, repository=repository, title="Pushed just now", source_branch="just-now")
    assert change.status == "in_review"
    assert waited[:2] == [branches.BETWEEN, branches.BETWEEN]


def test_nobody_waits_for_ever_and_the_answer_says_what_to_do(looked_at, monkeypatch):
    alice, repository, _ = looked_at
    monkeypatch.setattr(branches, "LONGEST_WAIT", 0.1)
    with pytest.raises(InvalidInput, match="synchronise the repository and try again") as refused:
        create_change(alice, repository=repository, title="Pushed just now", source_branch="just-now")
    assert refused.value.code == "unknown_branch"
