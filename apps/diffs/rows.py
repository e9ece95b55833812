"""Hunks → blocks of paired lines → rows, for one column (unified) or two (split).

A block is either context (the same lines on both sides) or a change (removed and added lines with a pairing). Blocks,
not rows, go to the HTML writer, because a block of a thousand lines is then one loop; ``unified`` and ``split`` give
single rows for everyone else (JSON, tests, threads).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Indel

from apps.diffs.parse import Hunk

# Comparing every removed with every added line is quadratic: only small blocks are worth it, larger go by position.
MAX_COMPARISONS = 144
MIN_SIMILARITY = 0.5
_MAX_COMPARED_CHARS = 300
Pair = tuple[int, int]
# Most changes are a few lines for as many: their pairs are made once. Nobody writes into them.
_EQUAL: list[list[Pair]] = [[(index, index) for index in range(size)] for size in range(33)]


class Row(NamedTuple):
    """One row: ``kind`` is ``context``, ``removed``, ``added`` or (split only) ``changed``.

    ``old`` and ``new`` are line numbers, 0 where that side is empty; texts are lines without newline.
    """

    kind: str
    old: int
    new: int
    old_text: str
    new_text: str


class Block(NamedTuple):
    """Neighbouring lines: ``pairs`` are the rows of the split view as indexes into both sides (-1: nothing there).

    ``old_at`` and ``new_at`` are the numbers of the first lines. Context has the same list twice and no pairs.
    ``old_cut`` / ``new_cut``: the last line of that side has no newline at the end of the file.
    """

    old_at: int
    new_at: int
    olds: list[str]
    news: list[str]
    pairs: list[Pair] | None
    old_cut: bool = False
    new_cut: bool = False

    @property
    def unified_rows(self) -> int:
        return len(self.news) if self.pairs is None else len(self.olds) + len(self.news)

    @property
    def split_rows(self) -> int:
        return len(self.news) if self.pairs is None else len(self.pairs)


def blocks(hunk: Hunk) -> Iterator[Block]:
    """The blocks of a hunk in order. Removed lines and the added lines right after them are one change."""
    # "@@ -0,0" and "@@ -5,0" name the line before an empty side.
    old = hunk.old_start if hunk.old_count else hunk.old_start + 1
    new = hunk.new_start if hunk.new_count else hunk.new_start + 1
    old_end = old + hunk.old_count if hunk.old_cut else -1
    new_end = new + hunk.new_count if hunk.new_cut else -1
    for context, removed, added in hunk.groups:
        if context:
            size = len(context)
            block = Block(old, new, context, context, None, old + size == old_end, new + size == new_end)
            old += size
            new += size
            yield block
        if removed or added:
            pairs = align(removed, added)
            block = Block(old, new, removed, added, pairs, False, False)
            old += len(removed)
            new += len(added)
            if old == old_end or new == new_end:
                block = block._replace(old_cut=bool(removed) and old == old_end, new_cut=bool(added) and new == new_end)
            yield block


def align(olds: Sequence[str], news: Sequence[str]) -> list[Pair]:
    """Rows of a change: equal counts stand side by side; else alike lines do, in order, if the block is small."""
    count_old, count_new = len(olds), len(news)
    if count_old == count_new:
        return (
            _EQUAL[count_old] if count_old < len(_EQUAL) else list(zip(range(count_old), range(count_old), strict=True))
        )
    if not count_old or not count_new or count_old * count_new > MAX_COMPARISONS:
        return _by_position(count_old, count_new)
    return _alike_rows(tuple(olds), tuple(news))


@lru_cache(maxsize=2_048)
def _alike_rows(olds: tuple[str, ...], news: tuple[str, ...]) -> list[Pair]:
    """Rows of a small change of unequal sides. Remembered, as painted lines are; nobody writes into the answer."""
    if max(map(len, olds + news)) > _MAX_COMPARED_CHARS:
        return _by_position(len(olds), len(news))
    return _rows_of(_alike(olds, news), len(olds), len(news))


def _by_position(count_old: int, count_new: int) -> list[Pair]:
    common = min(count_old, count_new)
    rows = [(index, index) for index in range(common)]
    rows += [(index, -1) for index in range(common, count_old)]
    rows += [(-1, index) for index in range(common, count_new)]
    return rows


def _alike(olds: Sequence[str], news: Sequence[str]) -> list[Pair]:
    """Pairs of alike lines that do not cross, by the heaviest chain (as in sequence alignment)."""
    best: list[list[float]] = [[0.0] * (len(news) + 1) for _ in range(len(olds) + 1)]
    score = [[_similarity(old, new) for new in news] for old in olds]
    for row in range(len(olds) - 1, -1, -1):
        for col in range(len(news) - 1, -1, -1):
            skipped = max(best[row + 1][col], best[row][col + 1])
            taken = score[row][col] + best[row + 1][col + 1] if score[row][col] else 0.0
            best[row][col] = max(skipped, taken)
    return _walk(best, score)


def _walk(best: list[list[float]], score: list[list[float]]) -> list[Pair]:
    pairs: list[Pair] = []
    row = col = 0
    while row < len(score) and col < len(score[0]):
        if score[row][col] and best[row][col] == score[row][col] + best[row + 1][col + 1]:
            pairs.append((row, col))
            row, col = row + 1, col + 1
        elif best[row + 1][col] >= best[row][col + 1]:
            row += 1
        else:
            col += 1
    return pairs


def _similarity(old: str, new: str) -> float:
    return Indel.normalized_similarity(old.strip(), new.strip(), score_cutoff=MIN_SIMILARITY)


def _rows_of(alike: list[Pair], count_old: int, count_new: int) -> list[Pair]:
    """Fill the gaps between pairs: first what is only old, then what is only new."""
    rows: list[Pair] = []
    old = new = 0
    for old_end, new_end in [*alike, (count_old, count_new)]:
        rows += [(index, -1) for index in range(old, old_end)]
        rows += [(-1, index) for index in range(new, new_end)]
        if old_end < count_old:
            rows.append((old_end, new_end))
        old, new = old_end + 1, new_end + 1
    return rows


def unified(hunk: Hunk) -> Iterator[Row]:
    """Rows of one column: removed lines of a change before the added ones, as in the patch."""
    for block in blocks(hunk):
        if block.pairs is None:
            yield from _context(block)
            continue
        for index, text in enumerate(block.olds):
            yield Row("removed", block.old_at + index, 0, text, "")
        for index, text in enumerate(block.news):
            yield Row("added", 0, block.new_at + index, "", text)


def split(hunk: Hunk) -> Iterator[Row]:
    """Rows of two columns; an empty side has number 0 and no text."""
    for block in blocks(hunk):
        if block.pairs is None:
            yield from _context(block)
            continue
        for old, new in block.pairs:
            kind = "removed" if new < 0 else "added" if old < 0 else "changed"
            yield Row(
                kind,
                block.old_at + old if old >= 0 else 0,
                block.new_at + new if new >= 0 else 0,
                block.olds[old] if old >= 0 else "",
                block.news[new] if new >= 0 else "",
            )


def _context(block: Block) -> Iterator[Row]:
    for index, text in enumerate(block.news):
        yield Row("context", block.old_at + index, block.new_at + index, text, text)
