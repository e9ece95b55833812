"""The mirror on disk behind a repository: where it comes from, keeping it current, making it again."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from apps.core.clock import now
from apps.core.errors import PortalError
from apps.core.secrets import decrypt
from apps.repositories.models import Repository
from apps.vcs import remotes
from apps.vcs.errors import GitFailed
from apps.vcs.installation import limits, source
from apps.vcs.objects import is_connected
from apps.vcs.paths import display
from apps.vcs.pool import DEFAULT_POOL
from apps.vcs.refs import list_branches

logger = logging.getLogger(__name__)

MAX_NAME = 250
"""Longer branch names do not fit the tables; they are left out everywhere."""

MAYBE_DAMAGED = frozenset({"git_failed", "repository_broken", "object_missing", "mirror_missing"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """Branch name (as shown) → tip; whether the mirror had to be made again; branches whose push is malformed."""

    branches: dict[str, str]
    rebuilt: bool = False
    refused: tuple[str, ...] = ()


def source_of(repository: Repository) -> remotes.Source:
    """The remote of a connected repository, with its stored credentials."""
    return source(
        repository.url,
        username=repository.credential_username,
        secret=decrypt(repository.credential_secret),
        ssh_key=decrypt(repository.ssh_key),
    )


def shown(branches: dict[str, str]) -> dict[str, str]:
    r"""Branches by storable name (bytes that are not UTF-8 as ``\xNN``)."""
    named = {display(name): oid for name, oid in branches.items()}
    return {name: oid for name, oid in named.items() if len(name) <= MAX_NAME}


def ask(repository: Repository) -> None:
    """Whether the host answers at all, within seconds; raises what :mod:`apps.vcs.remotes` raises."""
    remotes.remote_tip(source_of(repository), f"refs/heads/{repository.default_branch}", limits=limits())


def refresh(repository: Repository, *, thorough: bool = False) -> Fetched:
    """Bring the mirror to the state of its remote; a lost or damaged one is made again.

    ``thorough`` also checks that no object is missing. Raises what :mod:`apps.vcs.remotes` raises;
    a failed rebuild leaves what was there before.
    """
    remote, git_dir = source_of(repository), repository.mirror_path
    try:
        found = remotes.fetch(remote, git_dir, limits=limits())
        if not ((thorough or found.refused) and is_damaged(git_dir)):
            return Fetched(shown(found.after), refused=tuple(display(name) for name in found.refused))
    except PortalError as error:
        if error.code not in MAYBE_DAMAGED or not is_damaged(git_dir):
            raise
    return Fetched(shown(_rebuild(remote, git_dir)), rebuilt=True)


def is_damaged(git_dir: Path) -> bool:
    """Whether the mirror is gone, cannot be read, or lacks objects that its refs need."""
    if not (git_dir / "objects").is_dir():
        return True
    try:
        list_branches(git_dir)
        return not is_connected(git_dir)
    except GitFailed as error:
        return error.code != "git_timeout"


def _rebuild(remote: remotes.Source, git_dir: Path) -> dict[str, str]:
    """The new mirror takes its place when it is complete: until then what is left of the old one answers."""
    fresh, aside = (
        git_dir.with_name(f".{git_dir.name}.{what}-{now():%Y%m%dT%H%M%S%f}") for what in ("fresh", "damaged")
    )
    branches = remotes.mirror_into(remote, fresh, limits=limits()).branches
    if git_dir.exists():
        git_dir.rename(aside)
    fresh.rename(git_dir)
    DEFAULT_POOL.forget(git_dir)
    logger.warning("mirror_rebuilt", extra={"mirror": git_dir.name})
    return branches


def remove(git_dir: Path) -> None:
    """Take a mirror away that no row names."""
    DEFAULT_POOL.forget(git_dir)
    shutil.rmtree(git_dir, ignore_errors=True)
