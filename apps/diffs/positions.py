"""In which row of a file a line stands, so that the window around it is asked for alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from apps.diffs.html import View
from apps.diffs.parse import Hunk
from apps.diffs.rows import Block, blocks

_LINE = re.compile(r"([LR])([1-9]\d{0,8})")


def line_named(name: str) -> tuple[str, int] | None:
    """``R12`` → ("R", 12): a line after the change; ``L3`` one before it. ``None`` for anything else."""
    match = _LINE.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def row_of(hunks: Iterable[Hunk], view: View, side: str, line: int) -> int | None:
    """The row (counted as ``writer`` counts: hunk headings are rows) of a line; ``None`` where it is not shown."""
    row = 0
    for hunk in hunks:
        row += 1
        start, count = (hunk.old_start, hunk.old_count) if side == "L" else (hunk.new_start, hunk.new_count)
        inside = start <= line < start + count
        for block in blocks(hunk):
            if inside and (offset := _offset(block, view, side, line)) is not None:
                return row + offset
            row += block.split_rows if view == "split" else block.unified_rows
    return None


def _offset(block: Block, view: View, side: str, line: int) -> int | None:
    at, lines = (block.old_at, block.olds) if side == "L" else (block.new_at, block.news)
    index = line - at
    if not 0 <= index < len(lines):
        return None
    if block.pairs is None:
        return index
    if view == "split":
        return next((row for row, pair in enumerate(block.pairs) if pair[side == "R"] == index), None)
    return index if side == "L" else len(block.olds) + index


def window_of(row: int, size: int) -> int:
    """The first row of the window of ``size`` rows in which ``row`` is."""
    return row - row % size
