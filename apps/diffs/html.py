"""The one writer of diff rows (markup contract: UX §2.15). Everything that comes from a repository passes
``characters.escape`` on its way: code by the painter, headings here.

Rows are f-strings over whole blocks: a template per row costs 45 times as much. ``</td>`` and ``</tr>`` are left out
(optional end tags in HTML) and the minus sign is an entity, which keeps the text one byte per character while it is
put together. Context lines are addressed by their new number (``f-<id>-R12``), removed lines by the old (``-L12``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Literal

from apps.diffs.characters import escape
from apps.diffs.highlight import Painter
from apps.diffs.lexers import State
from apps.diffs.marks import mark_pair
from apps.diffs.parse import Hunk
from apps.diffs.rows import MAX_COMPARISONS, Block, Pair, blocks

View = Literal["unified", "split"]
VIEWS: tuple[View, View] = ("unified", "split")
_NO_NEWLINE = '<span class="eof"> \\ No newline at end of file</span>'
_OLD_SIGN = '<td class="m d" aria-hidden="true">&minus;<td class="d"><span class="sr">removed </span>'
_NEW_SIGN = '<td class="m a" aria-hidden="true">+<td class="a"><span class="sr">added </span>'
_OLD_EMPTY = '<td class="n e"><td class="m e"><td class="e">'
_MINUS = '<td class="n"><td class="m" aria-hidden="true">&minus;<td><span class="sr">removed </span>'
_PLUS = '<td class="m" aria-hidden="true">+<td><span class="sr">added </span>'


@dataclass(slots=True)
class Window:
    """Rows ``start`` ≤ row < ``end`` of a file; ``row`` counts those passed, ``more`` tells whether any follow."""

    start: int
    end: int
    row: int = 0
    more: bool = False


def write_rows(file_id: str, painter: Painter, hunks: Iterable[Hunk], view: View, window: Window) -> list[str]:
    """The HTML of the rows inside the window; a hunk heading is a row too. Stops as soon as the window is full."""
    writer = _Writer(f"f-{file_id}-", painter, view)
    for hunk in hunks:
        if window.row >= window.end:
            window.more = True
            break
        writer.write_hunk(hunk, window)
        if window.more:
            break
    return writer.out


class _Writer:
    def __init__(self, prefix: str, painter: Painter, view: View) -> None:
        self.out: list[str] = []
        self._prefix = prefix
        self._painter = painter
        self._split = view == "split"
        self._old: State = 0
        self._new: State = 0

    def write_hunk(self, hunk: Hunk, window: Window) -> None:
        if window.row >= window.start:
            section = f" {escape(hunk.section)}" if hunk.section else ""
            self.out.append(f'<tr class="h"><td colspan="{6 if self._split else 4}">{hunk.header}{section}')
        window.row += 1
        self._old = self._new = 0
        for block in blocks(hunk):
            size = block.split_rows if self._split else block.unified_rows
            first, last = max(window.start - window.row, 0), min(window.end - window.row, size)
            if last <= 0:
                window.more = True
                return
            self._write_block(block, first, last)
            window.row += size
            if last < size:
                window.more = True
                return

    def _write_block(self, block: Block, first: int, last: int) -> None:
        if block.pairs is None:
            self._write_context(block, first, last)
            return
        bound = max(last, MAX_COMPARISONS)
        olds, self._old = self._painter.paint(block.olds[:bound], self._old)
        news, self._new = self._painter.paint(block.news[:bound], self._new)
        _mark(block, block.pairs, olds, news)
        if block.old_cut and len(olds) == len(block.olds):
            olds[-1] += _NO_NEWLINE
        if block.new_cut and len(news) == len(block.news):
            news[-1] += _NO_NEWLINE
        if self._split:
            self._write_pairs(block, block.pairs[first:last], olds, news)
        else:
            self._write_change(block, olds, news, first, last)

    def _write_context(self, block: Block, first: int, last: int) -> None:
        lines, after = self._painter.paint(block.news[:last], self._new)
        # After a change the two sides may stand in different states (a heredoc opened on one of them).
        self._old = after if self._old == self._new else self._painter.paint(block.olds[:last], self._old)[1]
        self._new = after
        if block.new_cut and last == len(block.news):
            lines[-1] += _NO_NEWLINE
        if first:
            lines = lines[first:]
        p = self._prefix
        rows = zip(count(block.old_at + first), count(block.new_at + first), lines)
        if self._split:
            self.out += [
                f'<tr id="{p}R{new}"><td class="n">{old}<td class="m"><td>{line}'
                f'<td class="n"><a href="#{p}R{new}">{new}</a><td class="m"><td>{line}'
                for old, new, line in rows
            ]
        else:
            self.out += [
                f'<tr id="{p}R{new}"><td class="n">{old}<td class="n"><a href="#{p}R{new}">{new}</a><td class="m"><td>{line}'
                for old, new, line in rows
            ]

    def _write_change(self, block: Block, olds: list[str], news: list[str], first: int, last: int) -> None:
        p = self._prefix
        removed = len(block.olds)
        self.out += [
            f'<tr class="d" id="{p}L{number}"><td class="n"><a href="#{p}L{number}">{number}</a>{_MINUS}{line}'
            for number, line in zip(count(block.old_at + first), olds[first:last])
        ]
        start = max(first - removed, 0)
        self.out += [
            f'<tr class="a" id="{p}R{number}"><td class="n"><td class="n"><a href="#{p}R{number}">{number}</a>{_PLUS}{line}'
            for number, line in zip(count(block.new_at + start), news[start : max(last - removed, 0)])
        ]

    def _write_pairs(self, block: Block, pairs: list[Pair], olds: list[str], news: list[str]) -> None:
        p, old_at, new_at = self._prefix, block.old_at, block.new_at
        for old, new in pairs:
            left = right = _OLD_EMPTY
            if old >= 0:
                number = old_at + old
                left = f'<td class="n d" id="{p}L{number}"><a href="#{p}L{number}">{number}</a>{_OLD_SIGN}{olds[old]}'
            if new >= 0:
                number = new_at + new
                right = f'<td class="n a" id="{p}R{number}"><a href="#{p}R{number}">{number}</a>{_NEW_SIGN}{news[new]}'
            self.out.append(f'<tr class="x">{left}{right}')


def _mark(block: Block, pairs: list[Pair], olds: list[str], news: list[str]) -> None:
    """Replace painted lines that stand against one another by marked ones."""
    if not olds or not news:
        return
    old_lines, new_lines = block.olds, block.news
    old_count, new_count = len(olds), len(news)
    for old, new in pairs:
        if 0 <= old < old_count and 0 <= new < new_count:
            olds[old], news[new] = mark_pair(olds[old], news[new], old_lines[old], new_lines[new])


def table_open(view: View, caption: str) -> str:
    """The start of a diff table up to its first ``<tbody>``; ``caption`` is text."""
    heads: tuple[str, ...]
    if view == "split":
        columns = '<col class="cn"><col class="cm"><col><col class="cn"><col class="cm"><col>'
        heads = ("Old line", "Old change", "Old code", "New line", "New change", "New code")
    else:
        columns = '<col class="cn"><col class="cn"><col class="cm"><col>'
        heads = ("Old line", "New line", "Change", "Code")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<div class="cv" hx-ignore><table class="dt{" sp" if view == "split" else ""}"><caption class="sr">{escape(caption)}'
        f'</caption><colgroup>{columns}</colgroup><thead class="srh"><tr>{cells}</tr></thead>'
    )


TABLE_CLOSE = "</table></div>"
