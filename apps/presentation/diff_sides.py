"""Which two trees a difference page compares, from what its address says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, Revision
from apps.core.errors import NotVisible
from apps.reviews.interdiff import Interdiff, interdiff, last_reviewed, step_of

BASE = "base"
MINE = "mine"
_NAME = re.compile(r"r?(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Sides:
    """Both trees by full oid. ``since`` is the other revision of a comparison of two, ``None`` for the whole change.

    ``lines`` are changed lines where they are known; ``head_only``: the merge conflicts, so the
    author's own difference (merge base → head) is shown instead of the merge result. ``compared`` is what lies between
    two revisions; of it the author's edits are shown, or with ``upstream`` those that came with the target branch.
    ``ignore_space``: white space is left out, which hides changes: nothing is decided from such a view.
    """

    git_dir: Path
    old: str
    new: str
    revision: Revision
    since: Revision | None
    lines: int | None
    head_only: bool
    compared: Interdiff | None = None
    upstream: bool = False
    ignore_space: bool = False

    @property
    def query(self) -> str:
        """The part of an address that names the two sides; equal address, equal content for ever."""
        since = self.since.label if self.since else BASE
        upstream = "&upstream=1" if self.upstream else ""
        return f"from={since}&to={self.revision.label}{upstream}{'&w=1' if self.ignore_space else ''}"


def sides_of(
    change: ChangeRequest,
    since: str,
    to: str,
    *,
    upstream: bool = False,
    viewer: User | None = None,
    ignore_space: bool = False,
) -> Sides | None:
    """The sides that ``?from=&to=&upstream=`` name (default: target → present revision); ``None`` while there is no code.

    ``from=mine`` is the revision that ``viewer`` reviewed last; who has not reviewed sees the whole change.
    ``ignore_space`` is what ``w=1`` asks for.
    """
    found = _sides(change, since, to, upstream=upstream, viewer=viewer)
    return replace(found, ignore_space=True) if found is not None and ignore_space else found


def _sides(change: ChangeRequest, since: str, to: str, *, upstream: bool, viewer: User | None) -> Sides | None:
    revision = _revision(change, to) or change.revision
    if revision is None:
        return None
    other = _since(change, since, viewer)
    git_dir = change.repository.mirror_path
    if other is not None and other.number != revision.number:
        found = interdiff(git_dir, other, revision)
        old, new = found.upstream if upstream else found.author
        return Sides(git_dir, old, new, revision, other, None, head_only=False, compared=found, upstream=upstream)
    step = step_of(git_dir, revision)
    lines = None if step.own else revision.lines_added + revision.lines_removed
    return Sides(git_dir, step.before, step.after, revision, None, lines, head_only=step.own)


def _since(change: ChangeRequest, name: str, viewer: User | None) -> Revision | None:
    if name == MINE:
        return last_reviewed(viewer, change) if viewer is not None else None
    return None if name in {"", BASE} else _revision(change, name)


def _revision(change: ChangeRequest, name: str) -> Revision | None:
    """``r3`` or ``3``; an unknown one does not exist, rather than being replaced by another."""
    if not name:
        return None
    match = _NAME.fullmatch(name)
    found = change.revisions.filter(number=int(match[1])).first() if match else None
    if found is None:
        raise NotVisible("unknown_revision", f"{change.label} has no revision {name[:20]}.")
    return found
