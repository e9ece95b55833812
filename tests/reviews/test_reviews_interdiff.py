"""Comparisons of revisions on real histories, on hundreds of revisions, and after a mirror was made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache

from apps.changes.jobs import take_ref_updates
from apps.changes.models import ChangeRequest, Revision
from apps.changes.services import create_change, retarget
from apps.presentation.diff_sides import sides_of
from apps.presentation.revision_bar import comparison, revision_bar
from apps.repositories.services import connect_repository, synchronise
from apps.reviews.interdiff import interdiff, upstream_edits
from apps.reviews.services import submit_review
from apps.vcs import trees
from tests.support.delivery import Delivery, pipeline
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
COMMITTER = {f"GIT_COMMITTER_{one}": "x" for one in ("NAME", "EMAIL")}
STEPS = 6


def fresh(change: ChangeRequest) -> ChangeRequest:
    return ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)


def revision(change: ChangeRequest) -> Revision:
    found = fresh(change).revision
    assert found is not None
    return found


def between(change: ChangeRequest, earlier: int, later: int):
    rows = {row.number: row for row in change.revisions.select_related("change__repository")}
    return interdiff(change.repository.mirror_path, rows[earlier], rows[later])


@pytest.mark.parametrize("name", ["argocd-example-apps", "flux2-kustomize-helm-example"])
def test_a_real_history_replayed_under_a_change_is_upstreams_alone(
    name: str, tmp_path: Path, shared_data: Path
) -> None:
    """The change stays what it is while its target moves along the first parents; then the author edits one more file."""
    cache.clear()
    people = cast()
    bare = GitRepo.create(tmp_path / f"{name}.git", bare=True)
    bare.run("fetch", "-q", str(shared_data / "repos" / f"{name}.bundle"), "+refs/heads/*:refs/heads/*")
    work = GitRepo.clone(bare.path, tmp_path / "work")
    branch = bare.run("for-each-ref", "--format=%(refname:short)", "refs/heads/ma*").split()[0]
    parents = work.run("rev-list", "--first-parent", f"--max-count={STEPS + 1}", f"origin/{branch}").split()[::-1]
    bare.run("update-ref", f"refs/heads/{branch}", parents[0])
    repository = connect_repository(people.carol, name=name, url=str(bare.path), members={"alice": "author"})
    work.run("checkout", "-q", "-b", "edit", parents[0])
    work.commit("edit", files={"portal-edit.yaml": "replicas: 1\n"})
    work.push("edit")
    change = create_change(
        people.alice, repository=repository, title="Edit", source_branch="edit", target_branch=branch
    )
    for step in parents[1:]:
        bare.run("update-ref", f"refs/heads/{branch}", step)
        work.run("fetch", "-q", "origin")
        work.run("rebase", "-q", step, env=COMMITTER)
        work.push("edit", force=True)
        assert synchronise(repository.pk)
        take_ref_updates(repository.pk)
    latest = revision(change)
    found = between(change, 1, latest.number)
    assert found.is_equal
    assert found.mixed == ()
    moved = trees.diff_trees(repository.mirror_path, parents[0], parents[-1])
    assert upstream_edits(found).files == len(moved)
    work.commit("more", files={"portal-edit.yaml": "replicas: 2\n"})
    work.push("edit")
    assert synchronise(repository.pk)
    take_ref_updates(repository.pk)
    again = between(change, 1, revision(change).number)
    assert [one.path for one in trees.diff_trees(repository.mirror_path, *again.author)] == ["portal-edit.yaml"]
    assert upstream_edits(again).files == len(moved)


def test_two_hundred_revisions_are_offered_by_few_queries(
    tmp_path: Path, django_assert_max_num_queries: object
) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    first = revision(change)
    for number in range(2, 201):
        Revision.objects.create(
            change=change, number=number, cause=Revision.Cause.PUSHED, target_branch=first.target_branch,
            head_oid=first.head_oid, target_oid=first.target_oid, merge_bases=first.merge_bases,
            result_tree=first.result_tree, subject=first.subject, paths=first.paths, created_at=first.created_at,
        )  # fmt: skip
    sides = sides_of(fresh(change), "r77", "r200")
    assert sides is not None
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        bar = revision_bar(delivery.people.bob, fresh(change), sides)
    assert [choice.value for choice in bar.to][:2] == ["r200", "r199"]
    assert len(bar.since) == 200
    assert [choice.value for choice in bar.since if choice.selected] == ["r77"]
    assert bar.comparison is not None
    assert bar.comparison.equal


def test_a_retargeted_change_says_that_the_branches_differ(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    pushed(delivery.repository, delivery.work, "origin/main:refs/heads/production")
    retarget(delivery.people.alice, change=fresh(change), target_branch="production")
    told = comparison(between(change, 1, 2), None)
    assert told.equal
    assert any("r1 was for main, r2 is for production" in remark for remark in told.remarks)


def test_a_comparison_is_made_again_when_the_mirror_lost_its_tree(tmp_path: Path) -> None:
    cache.clear()
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    work = delivery.work
    work.run("checkout", "-q", "main")
    work.commit("upstream", files={"other": "1\n"})
    pushed(delivery.repository, work, "main")
    take_ref_updates(delivery.repository.pk)
    found = between(change, 1, 2)
    lost = found.author[0]
    assert found.is_equal
    # r2's own merge result keeps an equal tree alive; one that only the comparison made is taken away by hand.
    work.run("checkout", "-q", "-B", "one", "main")
    work.commit("other edit", files={"app/values.yaml": "replicas: 9\n"})
    pushed(delivery.repository, work, "one:refs/heads/one", force=True)
    take_ref_updates(delivery.repository.pk)
    found = between(change, 1, 3)
    assert not found.is_equal
    assert found.author[0] == lost
    third = between(change, 3, 1)
    loose = delivery.repository.mirror_path / "objects" / third.author[0][:2] / third.author[0][2:]
    existed = loose.exists()
    loose.unlink(missing_ok=True)
    assert between(change, 3, 1).author == third.author
    assert not existed or loose.exists()


def test_a_review_by_anybody_else_is_not_mine(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    submit_review(delivery.people.kim, change=fresh(change), revision=1, verdict="approve")
    sides = sides_of(fresh(change), "mine", "", viewer=delivery.people.bob)
    assert sides is not None
    assert sides.since is None
