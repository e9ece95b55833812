"""The files that differ between two sides, line by line: what the raw patch says, to be read."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.core.errors import InvalidInput
from apps.deployments.queries.comparing import Compared, between, source_files
from apps.diffs.files import FileChange
from apps.presentation.comparison_page import Asked, compared_of
from apps.presentation.lines import Line, patch_lines
from apps.vcs.errors import GitOutputTooLarge

LINES_OF_ONE = 400
"""Lines of one file that are shown, with those around its changes."""
LINES_OF_ALL = 4_000
MOST_FILES = 200
WORDS = {"A": "added", "D": "removed", "R": "moved", "C": "copied", "T": "changed its type"}


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file. ``before``: its path there, where that was another; ``more`` lines follow that are not shown."""

    path: str
    what: str
    before: str
    lines: tuple[Line, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ComparedFiles:
    """``files``: the first :data:`MOST_FILES` of ``total``. ``problem``: why none can be shown."""

    asked: Asked
    compared: Compared
    files: tuple[FileDifference, ...] = ()
    total: int = 0
    problem: str = ""

    @property
    def more(self) -> int:
        return self.total - len(self.files)


def compared_files(user: User, asked: Asked) -> ComparedFiles:
    """The page. ``NotVisible`` and ``InvalidInput`` as for the comparison that it belongs to; the latter also where nothing can be compared."""
    compared = compared_of(user, asked)
    found = between(compared)
    if found.problem:
        raise InvalidInput("no_source_difference", found.problem)
    try:
        pairs = source_files(compared)
    except GitOutputTooLarge:
        return ComparedFiles(
            asked, compared, total=len(found.paths), problem="All of it is too large to be shown here."
        )
    left = LINES_OF_ALL
    files: list[FileDifference] = []
    for change, patch in pairs[:MOST_FILES]:
        files.append(_file(change, patch, most=min(LINES_OF_ONE, left)))
        left -= len(files[-1].lines)
    return ComparedFiles(asked, compared, tuple(files), len(pairs))


def _file(change: FileChange, patch: bytes, *, most: int) -> FileDifference:
    lines = list(patch_lines(patch))
    before = change.display_old_path if change.is_moved else ""
    what = WORDS.get(change.status, "changed")
    return FileDifference(change.display_path, what, before, tuple(lines[:most]), max(0, len(lines) - most))
