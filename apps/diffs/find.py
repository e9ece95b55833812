"""Find a text in a difference: in every line that it shows, whether loaded or closed, and in the names of its files.

The text is taken literally. Patterns of people are not offered: one of them can take a server for minutes. Looking is
linear in the bytes of the patch, stops at a number of hits and at a moment, and says which of the two ended it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from apps.diffs.characters import decode, plain
from apps.diffs.files import FileChange
from apps.diffs.parse import MalformedDiff, iter_hunks
from apps.diffs.rows import blocks

MOST_HITS = 500
MOST_CHARS = 200
AROUND = 60  # characters of a long line on each side of what was found
Place = Literal["name", "added", "removed", "context"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One line (or name) that holds the text. ``side`` and ``line`` name the row: ``R12``, ``L3``; both empty for a name.

    ``before``, ``found`` and ``after`` are text for people, cut around the first place; ``times`` counts the places.
    """

    place: Place
    side: str
    line: int
    before: str
    found: str
    after: str
    times: int


@dataclass(frozen=True, slots=True)
class FileHits:
    change: FileChange
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Hits by file, in the order of the difference. ``more``: the limit was reached; ``late``: the time was up, after
    ``searched`` of the files."""

    files: tuple[FileHits, ...]
    more: bool = False
    late: bool = False
    searched: int = 0

    @property
    def total(self) -> int:
        return sum(len(one.hits) for one in self.files)


def needle(text: str) -> str:
    """What is looked for: one line, at most ``MOST_CHARS`` characters; blanks at its ends count."""
    return text.replace("\0", "").splitlines()[0][:MOST_CHARS] if text.strip() else ""


def find(
    files: Iterable[tuple[FileChange, bytes]],
    text: str,
    *,
    same_case: bool = False,
    most: int = MOST_HITS,
    is_late: Callable[[], bool] = lambda: False,
) -> Found:
    """Look for ``text`` in (file, patch) pairs. ``is_late`` is asked after each file and before each hunk."""
    pattern = re.compile(re.escape(text), 0 if same_case else re.IGNORECASE)
    found: list[FileHits] = []
    left = most
    searched = 0
    for change, patch in files:
        hits: list[Hit] = []
        for hit in _hits(change, patch, pattern, is_late):
            if len(hits) == left:
                found.append(FileHits(change, tuple(hits)))
                return Found(tuple(one for one in found if one.hits), more=True, searched=searched)
            hits.append(hit)
        left -= len(hits)
        if hits:
            found.append(FileHits(change, tuple(hits)))
        if is_late():
            return Found(tuple(found), late=True, searched=searched)
        searched += 1
    return Found(tuple(found), searched=searched)


def _hits(change: FileChange, patch: bytes, pattern: re.Pattern[str], is_late: Callable[[], bool]) -> Iterator[Hit]:
    names = [change.path, change.old_path] if change.is_moved else [change.path]
    for name in names:
        if match := pattern.search(plain(name)):
            yield _hit("name", "", 0, plain(name), match, pattern)
            break
    if not pattern.search(decode(patch)[0]):
        return
    try:
        yield from _line_hits(patch, pattern, is_late)
    except MalformedDiff:
        return  # its rows are not shown either, and the page says why


def _line_hits(patch: bytes, pattern: re.Pattern[str], is_late: Callable[[], bool]) -> Iterator[Hit]:
    for hunk in iter_hunks(patch):
        if is_late():
            return
        for block in blocks(hunk):
            if block.pairs is None:
                yield from _in_lines("context", "R", block.new_at, block.news, pattern)
                continue
            yield from _in_lines("removed", "L", block.old_at, block.olds, pattern)
            yield from _in_lines("added", "R", block.new_at, block.news, pattern)


def _in_lines(place: Place, side: str, at: int, lines: Iterable[str], pattern: re.Pattern[str]) -> Iterator[Hit]:
    for number, line in enumerate(lines, start=at):
        if match := pattern.search(line):
            yield _hit(place, side, number, line, match, pattern)


def _hit(place: Place, side: str, number: int, line: str, match: re.Match[str], pattern: re.Pattern[str]) -> Hit:
    start, end = match.span()
    first, last = max(0, start - AROUND), end + AROUND
    before = ("…" if first else "") + plain(line[first:start])
    after = plain(line[end:last]) + ("…" if last < len(line) else "")
    times = sum(1 for _ in pattern.finditer(line))
    return Hit(place, side, number, before, plain(line[start:end]), after, times)
