"""The files that an inverse changes back, as pages list them: the first ones, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.vcs import paths
from apps.vcs.trees import TreeChange

FILES_SHOWN = 200
SIGNS = {"A": "added", "M": "changed", "D": "removed", "R": "renamed", "C": "copied", "T": "type changed"}


@dataclass(frozen=True, slots=True)
class FileEffect:
    """One path that the inverse touches, as the reader would find it afterwards."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class FilesBack:
    """``rows``: the first :data:`FILES_SHOWN` of ``total``."""

    rows: tuple[FileEffect, ...] = ()
    total: int = 0

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


def files_back(differences: Sequence[TreeChange]) -> FilesBack:
    """Of what merging the inverse does."""
    shown = differences[:FILES_SHOWN]
    rows = tuple(FileEffect(paths.display(one.path), SIGNS.get(one.status, "changed")) for one in shown)
    return FilesBack(rows, len(differences))
