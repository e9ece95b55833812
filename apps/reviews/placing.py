"""Where the threads of a change stand in a comparison of two trees.

Nothing of this is stored: each thread keeps the place where it was opened, and its place on a page is computed from
the difference between that file and the one that is shown. So a thread is carried, outdated (shown with its old
lines) or listed above the files, and never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from apps.changes.models import Revision
from apps.core.errors import PortalError
from apps.diffs.carry import LineMap, map_lines
from apps.diffs.files import FileChange
from apps.reviews.anchors import Scope
from apps.reviews.models import Thread
from apps.reviews.places import lines_of, trees_of
from apps.vcs import objects, trees
from apps.vcs.gateway import ZERO_OID
from apps.vcs.paths import display


@dataclass(frozen=True, slots=True)
class Placement:
    """``file``: id of the file (empty: above the files). ``line``: last line on ``side``, where the lines still stand.

    ``outdated``: the lines changed since, so the thread stands under the heading of its file with the old ones.
    """

    file: str = ""
    side: str = "new"
    first: int | None = None
    line: int | None = None
    outdated: bool = False

    @property
    def row(self) -> str:
        """The end of the id of the row under which it stands: ``R12`` or ``L12``."""
        return f"{'L' if self.side == 'old' else 'R'}{self.line}" if self.line is not None else ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a page shows: both trees and the files that differ. ``of_revisions``: the old side is a revision, too."""

    git_dir: Path
    old: str
    new: str
    files: Sequence[FileChange]
    of_revisions: bool = False


def place_threads(comparison: Comparison, threads: Iterable[Thread]) -> dict[int, Placement]:
    """The place of every one of ``threads`` (with ``revision`` loaded), by number."""
    placer = _Placer(comparison)
    return {thread.number: placer.place(thread) for thread in threads}


class _Placer:
    def __init__(self, comparison: Comparison) -> None:
        self._of = comparison
        self._files = {
            "new": {display(f.new_path): f for f in comparison.files if f.new_oid != ZERO_OID},
            "old": {display(f.old_path): f for f in comparison.files if f.old_oid != ZERO_OID},
        }
        self._trees = {"old": comparison.old, "new": comparison.new}

    def place(self, thread: Thread) -> Placement:
        if thread.scope not in {Scope.FILE, Scope.LINE}:
            return Placement()
        own = thread.side
        other = "old" if own == "new" else "new"
        first_choice = self._on(thread, own)
        if first_choice.file and not first_choice.outdated:
            return first_choice
        if not self._of.of_revisions:
            return first_choice
        # In a comparison of revisions the lines may still stand on its other side.
        second = self._on(thread, other)
        return second if second.file and (not second.outdated or not first_choice.file) else first_choice

    def _on(self, thread: Thread, side: str) -> Placement:
        change = self._find(thread, side)
        if change is None:
            return Placement(outdated=True)
        if thread.scope == Scope.FILE:
            return Placement(change.id, side)
        anchor = thread.anchor
        now = change.old_oid if side == "old" else change.new_oid
        found = None
        if thread.blob and anchor.line is not None and anchor.start_line is not None:
            found = _lines_between(self._of.git_dir, thread.blob, now).range(anchor.start_line, anchor.line)
        if found is None:
            return Placement(change.id, side, outdated=True)
        return Placement(change.id, side, found[0], found[1])

    def _find(self, thread: Thread, side: str) -> FileChange | None:
        files = self._files[side]
        if thread.path in files:
            return files[thread.path]
        if thread.revision is None:
            return None
        then = _tree_then(self._of.git_dir, thread.revision, thread.side)
        renamed = _renames(self._of.git_dir, then, self._trees[side]).get(thread.path) if then else None
        if renamed is not None:
            return files.get(renamed)
        # A file that the change removes has no new side; its heading is still the place for its threads.
        return self._files["old"].get(thread.path) if side == "new" else None


def _tree_then(git_dir: Path, revision: Revision, side: str) -> str:
    try:
        old, new = trees_of(git_dir, revision)
    except PortalError:  # the mirror was made anew and has this revision no more
        return ""
    return old if side == "old" else new


@lru_cache(maxsize=512)
def _renames(git_dir: Path, then: str, now: str) -> Mapping[str, str]:
    """Displayable path then → now, of files that were renamed between two trees."""
    if then == now:
        return {}
    try:
        changes = trees.diff_trees(git_dir, then, now)
    except PortalError:
        return {}
    return {display(row.old_path): display(row.new_path) for row in changes if row.status == "R"}


_UNKNOWN = LineMap(())


@lru_cache(maxsize=1_024)
def _lines_between(git_dir: Path, then: str, now: str) -> LineMap:
    """How the lines of one blob stand in another; content is addressed, so it never changes."""
    try:
        before = lines_of(objects.read_blob(git_dir, then))
        after = before if then == now else lines_of(objects.read_blob(git_dir, now))
    except PortalError:  # too large, or gone: nothing is claimed about its lines
        return _UNKNOWN
    return map_lines(before, after)
