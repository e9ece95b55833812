"""Whether a merge takes environments back to a state that was approved and live there before.

What was live is known further up: :func:`answer_with` is told who answers that, and as long as nobody does, nothing was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from apps.changes.models import ChangeRequest
from apps.changes.outside import unapproved_within
from apps.changes.querysets import ChangeQuerySet
from apps.core.errors import PortalError
from apps.repositories.models import Repository
from apps.vcs.objects import commit_tree_oid

WasLive = Callable[[ChangeRequest, Collection[str], bool], bool]
"""Whether the state of the branch with this change (``True``: right before it) was live in each of the named environments."""
_answers: list[WasLive] = []


def answer_with(was_live: WasLive) -> None:
    """Have that asked from now on."""
    _answers[:] = [was_live]


def _was_live(change: ChangeRequest, environments: Collection[str], *, before: bool = False) -> bool:
    return any(was_live(change, environments, before) for was_live in _answers)


def is_earlier_state(change: ChangeRequest, *, but: Collection[int] = ()) -> bool:
    """Whether merging the roll-back ``change`` gives a tree that its branch had before, and that was live wherever it goes.

    An inverse beneath later changes is a state that nobody approved and that never ran, and so is one
    that was retargeted to a branch with another history. ``but`` are keys of changes that landed without approval.
    """
    tree = change.revision.result_tree if change.revision else ""
    undone = change.rolls_back
    if undone is not None and undone.target_branch != change.target_branch:
        undone = None
    branch, names = change.target_branch, change.rollback_environments
    return is_state_of(change.repository, branch, tree, names, undone=undone, but=but, by=change)


def is_state_of(
    repository: Repository,
    branch: str,
    tree: str,
    environments: Collection[str],
    *,
    undone: ChangeRequest | None = None,
    but: Collection[int] = (),
    by: ChangeRequest | None = None,
) -> bool:
    """Whether ``branch`` had exactly ``tree``, without anything that went past the portal, and the ``environments`` ran it.

    It had it by a change that landed, other than ``by``, which is to make it so, or before ``undone`` did.
    """
    landed = [row for row in _landed(repository, branch, tree) if by is None or row.pk != by.pk] if tree else []
    for row in landed:
        approved = row.pk not in but and _is_approved_state(repository, branch, row.merge_commit)
        if approved and _was_live(row, environments):
            return True
    if undone is None or any(row.pk in but for row in landed) or _tree_before(undone) != tree:
        return False
    start = undone.revision.target_oid if undone.revision else ""
    return _is_approved_state(repository, branch, start) and _was_live(undone, environments, before=True)


def _landed(repository: Repository, branch: str, tree: str) -> ChangeQuerySet:
    rows = ChangeRequest.objects.filter(repository=repository, target_branch=branch, revision__result_tree=tree)
    return rows.exclude(merge_commit="")


def _tree_before(undone: ChangeRequest) -> str | None:
    """The tree of the branch onto which ``undone`` landed; ``None``: it cannot be read."""
    if undone.revision is None:
        return None
    try:
        return commit_tree_oid(undone.repository.mirror_path, undone.revision.target_oid)
    except PortalError:
        return None


def _is_approved_state(repository: Repository, branch: str, commit: str) -> bool:
    """Nothing that went past the portal and was never adopted is in it."""
    return unapproved_within(repository, branch, commit) is None
