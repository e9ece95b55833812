"""Whether what was approved on an earlier target branch is what would be merged now (DESIGN §5).

The three-way merge of trees with the earlier target as base, the present target as ours and the approved result as theirs must be
clean, and be *exactly* the present result. Gerrit calls that a trivial rebase. Never ``patch-id`` and never ``range-diff``: both
call two changes equal whose hunks landed in different blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from apps.changes.models import Revision
from apps.core.errors import PortalError
from apps.vcs import merging


def is_same(subject: str, given: Revision, present: Revision | None) -> bool:
    """Whether what was given for ``subject`` in revision ``given`` is for exactly what ``present`` is, on the same branch.

    And the change was not given up and taken up again since: nothing that let it through survives that.
    """
    if present is None or subject != present.subject or given.target_branch != present.target_branch:
        return False
    return given.number >= last_reopening((given,), present)


def last_reopening(given: Iterable[Revision], present: Revision | None) -> int:
    """The number of the revision by which the change was reopened last, or 0. Asked only where something older was ``given``."""
    if present is None or all(revision.number >= present.number for revision in given):
        return 0
    reopened = Revision.objects.filter(change=present.change_id, cause=Revision.Cause.REOPENED)
    return reopened.order_by("-number").values_list("number", flat=True).first() or 0


def carries_over(git_dir: Path, approved: Revision, present: Revision) -> bool:
    """Whether an approval of ``approved`` stands for the source of ``present``. What cannot be told is no."""
    if approved.target_branch != present.target_branch:
        return False
    oids = (approved.target_oid, approved.result_tree, present.target_oid, present.result_tree)
    try:
        return all(oids) and trees_carry_over(git_dir, *oids)
    except PortalError:
        return False


@lru_cache(maxsize=8192)
def trees_carry_over(git_dir: Path, old_target: str, approved: str, new_target: str, present: str) -> bool:
    """Whether what was ``approved`` on ``old_target`` comes out as exactly ``present`` on ``new_target`` (commits or trees)."""
    return merging.merge_trees(git_dir, old_target, new_target, approved).tree == present
