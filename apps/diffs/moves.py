"""Blocks of lines that were taken away in one place and put in at another: a hint, which never replaces a row.

A block is at least ``MIN_LINES`` neighbouring lines with ``MIN_SIGNS`` letters and digits (as ``git diff
--color-moved=blocks`` asks for), equal but for one and the same change of indentation; that one is always said, because
in YAML it is meaning. Lines that stand in many places begin no block. The work is bounded by ``MAX_WORK`` comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from apps.diffs.characters import escape_name
from apps.diffs.files import FileChange
from apps.diffs.parse import Hunk, MalformedDiff, iter_hunks

MIN_LINES, MIN_SIGNS = 3, 20
MAX_LINES = 40_000  # changed lines of a difference in which blocks are looked for
MAX_WORK = 2_000_000
MAX_SHOWN = 200
_MAX_CANDIDATES = 12
_MIN_SEED = 3  # letters and digits of a line that may begin a block
OTHER_INDENT = 1 << 20


class Move(NamedTuple):
    """``size`` lines from line ``old_at`` of one file are now at ``new_at`` of another or the same.

    ``indent``: columns of spaces more (less: negative), ``OTHER_INDENT`` where it is not spaces alone. ``in_place``:
    the block only changed its indentation where it stands.
    """

    old: FileChange
    old_at: int
    new: FileChange
    new_at: int
    size: int
    indent: int
    in_place: bool


class _Run(NamedTuple):
    """Neighbouring lines of one side; runs of one change have the same ``change``."""

    file: FileChange
    at: int
    lines: list[str]
    change: int


_Place = tuple[int, int]  # run, line in it


def find_moves(files: Iterable[tuple[FileChange, bytes]]) -> list[Move]:
    """The moved blocks of a difference, in the order of the places that they left; a file that is no text has none."""
    removed, added = _runs(files)
    search = _Search(added)
    return [move for run in removed for move in search.moves_of(run)]


def _runs(files: Iterable[tuple[FileChange, bytes]]) -> tuple[list[_Run], list[_Run]]:
    removed: list[_Run] = []
    added: list[_Run] = []
    for file, patch in files:
        try:
            for hunk in iter_hunks(patch):
                _add_hunk(file, hunk, removed, added)
        except MalformedDiff:
            continue
    return removed, added


def _add_hunk(file: FileChange, hunk: Hunk, removed: list[_Run], added: list[_Run]) -> None:
    old = hunk.old_start if hunk.old_count else hunk.old_start + 1
    new = hunk.new_start if hunk.new_count else hunk.new_start + 1
    for group in hunk.groups:
        old += len(group.context)
        new += len(group.context)
        change = len(removed) + len(added)
        if group.removed:
            removed.append(_Run(file, old, group.removed, change))
        if group.added:
            added.append(_Run(file, new, group.added, change))
        old += len(group.removed)
        new += len(group.added)


class _Search:
    def __init__(self, added: Sequence[_Run]) -> None:
        self._added = added
        self._taken: set[_Place] = set()
        self._work = MAX_WORK
        self._places: dict[str, list[_Place]] = {}
        for number, run in enumerate(added):
            for index, line in enumerate(run.lines):
                places = self._places.setdefault(line.strip(), [])
                if len(places) <= _MAX_CANDIDATES:
                    places.append((number, index))

    def moves_of(self, run: _Run) -> Iterable[Move]:
        """Greedy: the longest block at each line, then on after it."""
        at = 0
        while at < len(run.lines) and self._work > 0:
            found = self._best(run, at)
            if found is None:
                at += 1
                continue
            (number, index), size, indent = found
            self._taken.update((number, index + step) for step in range(size))
            there = self._added[number]
            in_place = there.change == run.change and there.file.id == run.file.id and indent != 0
            yield Move(run.file, run.at + at, there.file, there.at + index, size, indent, in_place)
            at += size

    def _best(self, run: _Run, at: int) -> tuple[_Place, int, int] | None:
        first = run.lines[at].strip()
        places = self._places.get(first, ())
        if len(places) > _MAX_CANDIDATES or sum(map(str.isalnum, first)) < _MIN_SEED:
            return None
        best: tuple[_Place, int, int] | None = None
        for place in places:
            size, indent = self._reach(run.lines, at, place)
            if size and (best is None or size > best[1]):
                best = (place, size, indent)
        return best

    def _reach(self, lines: Sequence[str], at: int, place: _Place) -> tuple[int, int]:
        """How many lines from ``at`` on are those at ``place``, and how their indentation differs; 0: no block."""
        number, index = place
        there = self._added[number].lines
        indent = _indent(lines[at], there[index])
        size = 0
        while at + size < len(lines) and index + size < len(there) and (number, index + size) not in self._taken:
            old, new = lines[at + size], there[index + size]
            if old.strip() != new.strip() or (old.strip() and _indent(old, new) != indent):
                break
            size += 1
        self._work -= size + 1
        while size and not lines[at + size - 1].strip():
            size -= 1
        signs = sum(sum(map(str.isalnum, line)) for line in lines[at : at + size])
        return (size, indent) if size >= MIN_LINES and signs >= MIN_SIGNS else (0, 0)


def _indent(old: str, new: str) -> int:
    before, after = old[: len(old) - len(old.lstrip())], new[: len(new) - len(new.lstrip())]
    if before == after:
        return 0
    return OTHER_INDENT if before.strip(" ") or after.strip(" ") else len(after) - len(before)


def indent_words(indent: int) -> str:
    """Such as ``indented 2 spaces deeper``; empty where the indentation is the same."""
    if indent == OTHER_INDENT:
        return "indented with other characters"
    if not indent:
        return ""
    noun = "space" if abs(indent) == 1 else "spaces"
    return f"indented {abs(indent)} {noun} {'deeper' if indent > 0 else 'less deep'}"


def list_html(moves: Sequence[Move], links: Sequence[tuple[str, str]]) -> str:
    """``<li>`` for each block: both places as links (addresses, escaped, in ``links``), then what changed.

    ``data-old`` and ``data-new`` are the ids of the first rows on the page; a script puts the hint there as well.
    """
    return "".join(_item(move, *where) for move, where in zip(moves, links, strict=True))


def _item(move: Move, old_link: str, new_link: str) -> str:
    words = indent_words(move.indent)
    old = f'<a href="{old_link}">{_place(move.old.path if move.old.status == "D" else move.old.old_path, move.old_at, move.size)}</a>'
    new = f'<a href="{new_link}">{_place(move.new.path, move.new_at, move.size)}</a>'
    kind = "in-place" if move.in_place else "moved"
    verb = "is now" if move.in_place else "moved to"
    return (
        f'<li data-move="{kind}" data-old="f-{move.old.id}-L{move.old_at}" data-new="f-{move.new.id}-R{move.new_at}">'
        f"{old} {verb} {new}{f', <b>{words}</b>' if words else ''}</li>"
    )


def _place(path: str, at: int, size: int) -> str:
    return f"<bdi>{escape_name(path)}</bdi>:{at}–{at + size - 1}"
