"""Repositories connected through the real service, with a work clone to push from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.accounts.models import User
from apps.repositories.models import Repository
from apps.repositories.services import connect_repository, synchronise
from tests.support.git import GitRepo, bare_remote

FILES = {"README.md": "hello\n", "app/values.yaml": "replicas: 1\nimage: web:1\n"}


def connected(
    tmp_path: Path,
    owner: User,
    *,
    name: str = "infra",
    files: Mapping[str, str | bytes] | None = None,
    members: dict[str, str] | None = None,
) -> tuple[Repository, GitRepo]:
    """``(repository, work)``: a bare repository below ``tmp_path``, connected by ``owner``, and a clone of it.

    ``owner`` gets the permission to connect and becomes maintainer; ``members`` as in the service.
    """
    if not owner.can_connect_repositories:
        owner.can_connect_repositories = True
        owner.save(update_fields=["can_connect_repositories"])
    bare, work = bare_remote(tmp_path, files or FILES, name=f"remote-{name}")
    repository = connect_repository(owner, name=name, url=str(bare.path), members=members)
    return repository, work


def pushed(repository: Repository, work: GitRepo, *refspecs: str, force: bool = False) -> None:
    """Push and let the portal look."""
    work.push(*refspecs, force=force)
    assert synchronise(repository.pk)


def branch_with(
    work: GitRepo,
    name: str,
    files: Mapping[str, str | bytes],
    *,
    message: str = "change",
    at: str = "main",
    author: str = "",
) -> str:
    """A new branch ``name`` at ``at`` with one commit of ``files``, pushed; the oid of its head."""
    work.run("checkout", "-q", "--no-track", "-b", name, at) if not name.startswith("-") else _odd_branch(
        work, name, at
    )
    options = {"author": author} if author else {}
    oid = work.commit(message, files=files, **options)
    work.push(f"HEAD:refs/heads/{name}", force=True)
    return oid


def _odd_branch(work: GitRepo, name: str, at: str) -> None:
    work.run("update-ref", f"refs/heads/{name}", work.rev_parse(at))
    work.run("symbolic-ref", "HEAD", f"refs/heads/{name}")
    work.run("reset", "-q", "--hard")
