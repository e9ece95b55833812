"""The same change in many files: which files change alike, and which do not.

Two files change alike when status and modes are equal and so are their removed and added lines, hunk by hunk, wherever
they stand, after every word that comes from the file's own path was replaced by its place in that path: the change of
``clusters/eu/app.yaml`` that writes "eu" is the change of ``clusters/us/app.yaml`` that writes "us". One more line in one
of them makes it an outlier. Grouping never hides a file; it says where to look first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from apps.diffs.files import FileChange
from apps.diffs.parse import MalformedDiff, iter_hunks

FEWEST = 3  # files that make a class: two may be chance
_SHORTEST_NAME = 2
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class ChangeClass:
    """Files that change alike, in the order of the difference."""

    files: tuple[FileChange, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Classes:
    """``classes`` from the largest; ``outliers`` are the files in none of them. ``compared`` counts all files."""

    classes: tuple[ChangeClass, ...]
    outliers: tuple[FileChange, ...]
    compared: int

    @property
    def alike(self) -> int:
        """How many files are in a class."""
        return self.compared - len(self.outliers)

    @property
    def has_rule(self) -> bool:
        """Whether most files change alike, so that the outliers, of which there are some, are worth a look first."""
        return 0 < len(self.outliers) < self.alike


def classes_of(files: Iterable[tuple[FileChange, bytes]], *, fewest: int = FEWEST) -> Classes:
    """Group (file, patch) pairs. Linear in the bytes of the patches; a file whose patch cannot be read is an outlier."""
    groups: dict[str, list[FileChange]] = {}
    counts: dict[str, tuple[int, int]] = {}
    order: list[tuple[FileChange, str]] = []
    for change, patch in files:
        key, added, removed = digest_of(change, patch)
        groups.setdefault(key, []).append(change)
        counts[key] = (added, removed)
        order.append((change, key))
    large = {key for key, members in groups.items() if len(members) >= fewest and key}
    found = [ChangeClass(tuple(groups[key]), *counts[key]) for key in groups if key in large]
    found.sort(key=lambda one: -len(one.files))
    return Classes(tuple(found), tuple(change for change, key in order if key not in large), len(order))


def digest_of(change: FileChange, patch: bytes) -> tuple[str, int, int]:
    """What a file's change is without its place and its own names, and its added and removed lines.

    An empty digest equals no other: the patch could not be read.
    """
    digest = hashlib.sha256(f"{change.status} {change.old_mode} {change.new_mode}".encode())
    names = _OwnNames(change.path)
    added = removed = 0
    try:
        for hunk in iter_hunks(patch):
            for group in hunk.groups:
                for sign, lines in ((b"-", group.removed), (b"+", group.added)):
                    for line in lines:
                        text = names.without(line).encode("utf-8", "surrogateescape")
                        digest.update(b"%s%d:%s" % (sign, len(text), text))
                if group.removed or group.added:
                    digest.update(b"|")
                added, removed = added + len(group.added), removed + len(group.removed)
            digest.update(b"#%d%d" % (hunk.old_cut, hunk.new_cut))
    except MalformedDiff:
        return "", 0, 0
    if not added + removed:
        digest.update(f"{change.old_oid} {change.new_oid}".encode())  # binary, mode alone: equal contents only
    return digest.hexdigest(), added, removed


class _OwnNames:
    """The words of one path, to be replaced by their places in it (0: the file's name without its suffix)."""

    def __init__(self, path: str) -> None:
        *folders, name = path.split("/")
        self._places: dict[str, str] = {}
        for place, part in enumerate([name.partition(".")[0] or name, *reversed(folders)]):
            if len(part) >= _SHORTEST_NAME and _LETTER.search(part):
                self._places.setdefault(part, f"\0{place}\0")
        self._pattern: re.Pattern[str] | None = None

    def without(self, line: str) -> str:
        """The line with its own names replaced where they stand as whole words, also inside of ``app-eu.svc``."""
        if not any(name in line for name in self._places):
            return line
        if self._pattern is None:
            longest_first = sorted(self._places, key=len, reverse=True)
            self._pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])")
        return self._pattern.sub(lambda match: self._places[match.group()], line)
