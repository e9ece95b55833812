"""Which two trees a difference page compares, from what its address says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from apps.changes.models import ChangeRequest, Revision
from apps.core.errors import NotVisible
from apps.vcs.objects import commit_tree_oid

BASE = "base"
_NAME = re.compile(r"r?(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Sides:
    """Both trees by full oid. ``since`` is the older revision of a comparison of two, ``None`` for the whole change.

    ``lines`` are changed lines where they are known; ``head_only``: the merge conflicts, so the
    author's own difference (merge base → head) is shown instead of the merge result.
    """

    git_dir: Path
    old: str
    new: str
    revision: Revision
    since: Revision | None
    lines: int | None
    head_only: bool

    @property
    def query(self) -> str:
        """The part of an address that names the two sides; equal address, equal content for ever."""
        since = self.since.label if self.since else BASE
        return f"from={since}&to={self.revision.label}"


def sides_of(change: ChangeRequest, since: str, to: str) -> Sides | None:
    """The sides that ``?from=&to=`` name (default: target → present revision); ``None`` while there is no code."""
    revision = _revision(change, to) or change.revision
    if revision is None:
        return None
    older = _revision(change, since) if since not in {"", BASE} else None
    git_dir = change.repository.mirror_path
    if older is not None and older.number != revision.number:
        return Sides(git_dir, _tree(git_dir, older), _tree(git_dir, revision), revision, older, None, head_only=False)
    if revision.result_tree:
        old = commit_tree_oid(git_dir, revision.target_oid)
        lines = revision.lines_added + revision.lines_removed
        return Sides(git_dir, old, revision.result_tree, revision, None, lines, head_only=False)
    base = revision.merge_bases[0] if revision.merge_bases else revision.target_oid
    old, new = commit_tree_oid(git_dir, base), commit_tree_oid(git_dir, revision.head_oid)
    return Sides(git_dir, old, new, revision, None, None, head_only=True)


def _tree(git_dir: Path, revision: Revision) -> str:
    """What a revision would make of the target; while it conflicts, what its author wrote."""
    return revision.result_tree or commit_tree_oid(git_dir, revision.head_oid)


def _revision(change: ChangeRequest, name: str) -> Revision | None:
    """``r3`` or ``3``; an unknown one does not exist, rather than being replaced by another."""
    if not name:
        return None
    match = _NAME.fullmatch(name)
    found = change.revisions.filter(number=int(match[1])).first() if match else None
    if found is None:
        raise NotVisible("unknown_revision", f"{change.label} has no revision {name[:20]}.")
    return found
