"""Which lines of one text stand where in another: what carries a comment from revision to revision.

Patience difference (Bram Cohen): equal beginnings and ends are taken off, lines that occur once on both sides hold the
texts together in the longest order that does not cross, and the gaps between them are treated in the same way; in a
small gap without such lines the longest common subsequence decides. A gap that is too large for that, and lines in
none of the matches, count as changed: a comment is then outdated, which is shown, rather than moved to a wrong line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

MAX_CELLS = 4_000_000
MAX_DEPTH = 64

Lines = Sequence[Hashable]


class Match(NamedTuple):
    """``size`` equal lines from ``old`` and from ``new`` on (counted from 0)."""

    old: int
    new: int
    size: int


class _Gap(NamedTuple):
    old: int
    old_end: int
    new: int
    new_end: int
    depth: int


@dataclass(frozen=True, slots=True)
class LineMap:
    """The matches in order; neighbours are joined, so lines that still stand together are in one match."""

    matches: tuple[Match, ...]

    def range(self, first: int, last: int) -> tuple[int, int] | None:
        """Where lines ``first`` to ``last`` (from 1) stand now; ``None`` when one of them changed or they parted."""
        at = bisect_left(self.matches, first, key=lambda match: match.old + 1) - 1
        for match in self.matches[max(at, 0) : at + 2]:
            if match.old < first and last <= match.old + match.size:
                moved = match.new - match.old
                return first + moved, last + moved
        return None


def map_lines(old: Lines, new: Lines) -> LineMap:
    """The lines of ``old`` in ``new``. Close to linear in their number."""
    found: list[Match] = []
    gaps = [_Gap(0, len(old), 0, len(new), 0)]
    while gaps:
        gap = _trimmed(old, new, gaps.pop(), found)
        if gap is not None:
            gaps += _inside(old, new, gap, found)
    return LineMap(tuple(_joined(found)))


def _trimmed(old: Lines, new: Lines, gap: _Gap, found: list[Match]) -> _Gap | None:
    """The gap without its equal beginning and end; ``None`` when one side is used up."""
    a, b, c, d, depth = gap
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    if a > gap.old:
        found.append(Match(gap.old, gap.new, a - gap.old))
    end = b
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    if b < end:
        found.append(Match(b, d, end - b))
    return _Gap(a, b, c, d, depth) if a < b and c < d else None


def _inside(old: Lines, new: Lines, gap: _Gap, found: list[Match]) -> list[_Gap]:
    anchors = _anchors(old, new, gap) if gap.depth < MAX_DEPTH else []
    if anchors:
        runs = _joined([Match(a, c, 1) for a, c in anchors])
        found += runs
        starts = [(gap.old, gap.new), *((run.old + run.size, run.new + run.size) for run in runs)]
        ends = [*((run.old, run.new) for run in runs), (gap.old_end, gap.new_end)]
        return [_Gap(a, b, c, d, gap.depth + 1) for (a, c), (b, d) in zip(starts, ends, strict=True) if a < b and c < d]
    if (gap.old_end - gap.old) * (gap.new_end - gap.new) <= MAX_CELLS:
        steps = LCSseq.opcodes(list(old[gap.old : gap.old_end]), list(new[gap.new : gap.new_end]))
        found += [
            Match(gap.old + step.src_start, gap.new + step.dest_start, step.src_end - step.src_start)
            for step in steps
            if step.tag == "equal"
        ]
    return []


def _anchors(old: Lines, new: Lines, gap: _Gap) -> list[tuple[int, int]]:
    """Lines that occur once on both sides of the gap, in the longest order that does not cross."""
    there = _once(new, gap.new, gap.new_end)
    here = _once(old, gap.old, gap.old_end)
    pairs = [(at, there[line]) for line, at in here.items() if line in there]
    return _increasing(sorted(pairs))


def _once(lines: Lines, start: int, end: int) -> dict[Hashable, int]:
    seen: dict[Hashable, int] = {}
    for index in range(start, end):
        line = lines[index]
        seen[line] = -1 if line in seen else index
    return {line: index for line, index in seen.items() if index >= 0}


def _increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose second members increase (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for index, (_, value) in enumerate(pairs):
        at = bisect_left(tops, value)
        before.append(piles[at - 1] if at else -1)
        if at == len(tops):
            tops.append(value)
            piles.append(index)
        else:
            tops[at], piles[at] = value, index
    chosen: list[tuple[int, int]] = []
    index = piles[-1] if piles else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def _joined(found: list[Match]) -> list[Match]:
    joined: list[Match] = []
    for match in sorted(found):
        last = joined[-1] if joined else None
        if last and last.old + last.size == match.old and last.new + last.size == match.new:
            joined[-1] = last._replace(size=last.size + match.size)
        else:
            joined.append(match)
    return joined
