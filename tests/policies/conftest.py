"""A repository whose mirror is a work clone, for tests that only read policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.repositories.models import Repository
from tests.support.git import GitRepo


@pytest.fixture
def repository() -> Repository:
    owner = User.objects.create_user("erin")
    return Repository.objects.create(name="shop", url="/srv/shop", default_branch="main", created_by=owner)


@pytest.fixture
def git(tmp_path: Path, repository: Repository) -> GitRepo:
    """A work clone whose ``.git`` stands where the mirror of the repository is looked for."""
    work = GitRepo.create(tmp_path / "work")
    repository.mirror_path.parent.mkdir(parents=True, exist_ok=True)
    repository.mirror_path.symlink_to(work.git_dir)
    return work
