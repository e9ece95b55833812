"""Who pushed what a change proposes contributed to it, whenever that was: before it was opened, while it was merging, or given up."""

from __future__ import annotations

import pytest

from apps.changes import queries
from apps.changes.jobs import take_ref_updates
from apps.changes.models import ChangeRequest, Contribution
from apps.changes.services import create_change, follow_branches, reopen, retarget, withdraw
from apps.changes.transitions import begin_merge, return_to_review
from apps.core.errors import NotAllowed
from apps.repositories.models import RefUpdate, Repository
from apps.repositories.services import synchronise
from apps.reviews.services import submit_review
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db
ROBOT = "Robot <robot@ci.example.org>"


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "bob": "reviewer", "kim": "reviewer"})


def seen(repository: Repository, pusher: object) -> None:
    """The portal looks, with the word of the host about who pushed, and takes what it saw at once."""
    assert synchronise(repository.pk)
    RefUpdate.objects.untaken().update(pusher=pusher)
    take_ref_updates(repository.pk)


def push(repository: Repository, work: GitRepo, text: str, by: object, *, force: bool = False) -> None:
    work.commit(text, author=ROBOT, files={"a": text})
    work.push(force=force)
    seen(repository, by)


def opened(infra: tuple[Repository, GitRepo], people: object) -> ChangeRequest:
    repository, work = infra
    branch_with(work, "x", {"a": "1\n"}, author=ROBOT)
    seen(repository, people.kim)
    return create_change(people.alice, repository=repository, title="X", source_branch="x")


def how(change: ChangeRequest, user: object) -> list[str]:
    return list(change.contributions.filter(user=user).values_list("how", flat=True))


def test_who_pushed_a_branch_before_its_change_was_opened_does_not_approve_it(infra, people):
    change = opened(infra, people)
    assert how(change, people.kim) == [Contribution.How.PUSHED]
    with pytest.raises(NotAllowed) as refusal:
        submit_review(people.kim, change=change, revision=1, verdict="approve")
    assert refusal.value.code == "contributor"


def test_who_pushed_to_a_branch_while_its_change_was_merging_does_not_approve_it(infra, people):
    repository, work = infra
    change = opened(infra, people)
    begin_merge(change, version=change.version, actor=people.carol)
    push(repository, work, "while merging", people.bob)
    return_to_review(change, "the target moved", people.carol)
    follow_branches(change.pk)
    change.refresh_from_db()
    assert change.revision.head_oid == work.rev_parse("HEAD")
    assert how(change, people.bob) == [Contribution.How.PUSHED]


def test_who_pushed_to_a_branch_while_its_change_was_given_up_does_not_approve_it(infra, people):
    repository, work = infra
    change = opened(infra, people)
    withdraw(people.alice, change=change)
    push(repository, work, "while withdrawn", people.bob)
    reopen(people.alice, change=change)
    assert how(change, people.bob) == [Contribution.How.PUSHED]


def test_who_pushed_what_is_no_part_of_the_change_did_not_contribute(infra, people):
    """A name of a branch is used again, and what was forced away or merged long ago is nobody's part in this."""
    repository, work = infra
    branch_with(work, "x", {"a": "0\n"}, author=ROBOT)
    seen(repository, people.bob)  # of another change, with this name for its branch
    work.push(":refs/heads/x")
    seen(repository, people.bob)
    work.run("reset", "-q", "--hard", "main")
    push(repository, work, "1\n", people.kim)
    change = create_change(people.alice, repository=repository, title="X", source_branch="x")
    assert (how(change, people.bob), how(change, people.kim)) == ([], [Contribution.How.PUSHED])


def test_another_target_brings_in_who_pushed_what_this_one_had(infra, people):
    repository, work = infra
    branch_with(work, "release", {"b": "1\n"}, author=ROBOT)
    seen(repository, None)
    branch_with(work, "x", {"a": "1\n"}, author=ROBOT)
    seen(repository, people.kim)
    work.run("push", "-q", "origin", "x:refs/heads/next")
    push(repository, work, "2\n", None)
    change = create_change(people.alice, repository=repository, title="X", source_branch="x", target_branch="next")
    assert how(change, people.kim) == []
    retarget(people.alice, change=change, target_branch="main")
    assert how(change, people.kim) == [Contribution.How.PUSHED]
    assert people.kim.pk in queries.contributor_ids(change)
