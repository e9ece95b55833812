"""Which branches a change may connect, checked with messages that help."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.changes.snapshots import Snapshot
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.repositories.models import Repository
from apps.repositories.queries import is_usable_name, nearest_branches, tip
from apps.repositories.services import synchronise
from apps.repositories.services.synchronising import is_partial
from apps.vcs.paths import display
from apps.vcs.refs import check_branch_name

MAX_NAME = 250
LONGEST_WAIT, LONGEST_FOR_UNKNOWN, BETWEEN = 3.0, 7.0, 0.05
"""Seconds that a request waits for whoever looks at the remote now, that it goes on to wait for a branch it knows nothing of,
and between two tries."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Source and target branch with their recorded tips."""

    source: str
    target: str
    head: str
    tip: str


def look(repository: Repository) -> bool:
    """See what was pushed a moment ago, so that a change starts from the present tips.

    A remote that does not answer is no obstacle: then the last recorded state counts. ``False``: it was not seen,
    so nobody knows of a branch that is not recorded whether it exists.
    """
    repository.refresh_from_db()
    return not _has_problem(repository) and _looked(repository, LONGEST_WAIT)


def _looked(repository: Repository, seconds: float) -> bool:
    """Look at the remote, or wait for a look that began after this; who looks already may have asked it before the push."""
    asked, until = now(), time.monotonic() + seconds
    while not synchronise(repository.pk):
        repository.refresh_from_db()
        if repository.synced_at and repository.synced_at > asked:
            return True
        if _has_problem(repository) or time.monotonic() >= until:
            return False
        time.sleep(BETWEEN)
    repository.refresh_from_db()
    return True


def _has_problem(repository: Repository) -> bool:
    """Whether the last look failed; where some branches are refused, or the main one is gone, all others are followed."""
    return bool(repository.sync_problem) and not is_partial(repository.sync_problem)


def check_name(name: str, field: str) -> str:
    """A branch name as Git allows it; ``InvalidInput bad_branch_name``."""
    wanted = name.strip(" \t\r\n")  # no-break spaces and their like are legal in Git and name another branch
    if not is_usable_name(wanted) or display(wanted) != wanted:
        raise InvalidInput(
            "bad_branch_name",
            "The name of this branch is not UTF-8, so it cannot be used here. "
            "Rename it (git branch -m) and push it again.",
            field=field,
        )
    try:
        check_branch_name(wanted)
    except InvalidInput as error:
        raise InvalidInput(error.code, error.message, field=field) from error
    if len(wanted) > MAX_NAME:
        raise InvalidInput(
            "bad_branch_name", f"A branch name may have at most {MAX_NAME} characters here.", field=field
        )
    return wanted


def seen(repository: Repository, name: str, field: str, *, looked: bool) -> str:
    """The recorded tip of branch ``name``, or the empty string where the host has none. ``looked`` as :func:`look` says.

    Where it is not so, a branch that is not recorded is worth another look whatever came of the last one; ``Unavailable
    not_looked`` when that fails too.
    """
    oid = tip(repository, name)
    if oid or looked:
        return oid
    looked = _looked(repository, LONGEST_FOR_UNKNOWN)
    oid = tip(repository, name)
    if not oid and not looked:
        raise _not_looked(repository, name, field)
    return oid


def existing(repository: Repository, name: str, field: str, *, looked: bool = True) -> str:
    """The recorded tip of branch ``name``; ``InvalidInput unknown_branch`` with the nearest names. Else as :func:`seen`."""
    oid = seen(repository, name, field, looked=looked)
    if not oid and name == repository.default_branch:
        raise InvalidInput(
            "unknown_branch",
            f"The main branch {name} of {repository.name} does not exist any more. Push it again, or name another target "
            "branch; what governs the repository is read from its main branch.",
            field=field,
        )
    if not oid:
        near = nearest_branches(repository, name)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise InvalidInput(
            "unknown_branch",
            f"{repository.name} has no branch '{name}' that the portal has seen.{hint} "
            "If it was pushed just now, synchronise the repository and try again.",
            field=field,
            nearest=near,
        )
    return oid


def _not_looked(repository: Repository, name: str, field: str) -> Unavailable:
    problem = repository.sync_problem
    why = problem["message"] if _has_problem(repository) else "Another look at it takes long."
    message = (
        f"The portal has not seen a branch '{name}' in {repository.name}, and could not look at its Git host just now. "
        f"{why} When that is over, try again."
    )
    return Unavailable("not_looked", message, fields={field: message})


def resolve_target(repository: Repository, target: str, *, looked: bool = True) -> tuple[str, str]:
    """Name and tip of the target branch (default: the repository's own); ``looked`` as :func:`look` says."""
    name = check_name(target or repository.default_branch, "target_branch")
    return name, existing(repository, name, "target_branch", looked=looked)


def resolve_pair(repository: Repository, source: str, target: str, *, looked: bool) -> Pair:
    """Both branches exist and differ; ``looked`` as :func:`look` says."""
    source = check_name(source, "source_branch")
    name, oid = resolve_target(repository, target, looked=looked)
    if source == name:
        raise InvalidInput(
            "same_branch", f"A change goes from one branch to another; both are '{name}'.", field="source_branch"
        )
    return Pair(source, name, existing(repository, source, "source_branch", looked=looked), oid)


def require_something(snapshot: Snapshot, source: str, target: str) -> None:
    """``InvalidInput nothing_to_merge`` for a contained head; ``Conflict unrelated_histories`` without a base."""
    if snapshot.commit_count == 0:
        raise InvalidInput(
            "nothing_to_merge",
            f"Everything on {source} is already in {target}, so there is nothing to merge. Push a commit first.",
            field="source_branch",
        )
    if not snapshot.bases:
        raise Conflict(
            "unrelated_histories",
            f"{source} and {target} have no common commit, so there is nothing to merge on. "
            f"Rebase {source} onto {target} and push it again.",
        )
