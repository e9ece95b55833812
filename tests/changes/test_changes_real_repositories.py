"""Real histories: connected, branched, followed."""

from __future__ import annotations

import pytest

from apps.changes.jobs import take_ref_updates
from apps.changes.services import create_change
from apps.repositories.services import connect_repository, synchronise
from tests.support.git import GitRepo
from tests.support.people import cast

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["argocd-example-apps", "flux2-kustomize-helm-example"])
def test_a_real_repository_goes_from_connection_to_a_followed_change(name, tmp_path, shared_data):
    people = cast()
    bare = GitRepo.create(tmp_path / f"{name}.git", bare=True)
    bare.run("fetch", "-q", str(shared_data / "repos" / f"{name}.bundle"), "+refs/heads/*:refs/heads/*")
    branches = bare.run("for-each-ref", "--format=%(refname:short)", "refs/heads/").split()
    repository = connect_repository(people.carol, name=name, url=str(bare.path), members={"alice": "author"})
    assert repository.default_branch in branches
    assert repository.branch_tips.count() == len(branches)
    work = GitRepo.clone(bare.path, tmp_path / "work")
    work.branch("edit", f"origin/{repository.default_branch}")
    work.commit("edit", files={"README.md": "changed\n"})
    work.push()
    change = create_change(people.alice, repository=repository, title="Edit", source_branch="edit")
    assert change.revision.paths == ["README.md"] and change.revision.result_tree == work.tree()
    work.commit("again", files={"new.yaml": "a: 1\n"})
    work.push()
    assert synchronise(repository.pk)
    take_ref_updates(repository.pk)
    change.refresh_from_db()
    assert (change.revision.number, change.revision.paths) == (2, ["README.md", "new.yaml"])
