"""Hunks → the HTML rows of a window: paints lines, marks words, and leaves the markup to ``html``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.diffs import html
from apps.diffs.highlight import Painter
from apps.diffs.html import NO_EXPAND, NO_NEWLINE, Expand, Gap, View
from apps.diffs.lexers import State
from apps.diffs.marks import mark_pair
from apps.diffs.parse import Hunk
from apps.diffs.rows import MAX_COMPARISONS, Block, Pair, blocks


@dataclass(slots=True)
class Window:
    """Rows ``start`` ≤ row < ``end`` of a file; ``row`` counts those passed, ``more`` tells whether any follow."""

    start: int
    end: int
    row: int = 0
    more: bool = False


def write_rows(
    file_id: str, painter: Painter, hunks: Iterable[Hunk], view: View, window: Window, expand: Expand = NO_EXPAND
) -> tuple[list[str], str]:
    """The HTML of the rows inside the window (a hunk heading is a row too), and of the row that ends the file.

    Stops as soon as the window is full. The last row offers the lines after the last hunk, and is often empty.
    """
    writer = _Writer(f"f-{file_id}-", painter, view, expand)
    for hunk in hunks:
        if window.row >= window.end:
            window.more = True
            break
        writer.write_hunk(hunk, window)
        if window.more:
            break
    return writer.out, "" if window.more else writer.end_row()


class _Writer:
    def __init__(self, prefix: str, painter: Painter, view: View, expand: Expand) -> None:
        self.out: list[str] = []
        self._prefix = prefix
        self._painter = painter
        self._view = view
        self._expand = expand
        self._old: State = 0
        self._new: State = 0
        # The first lines after what was written, on both sides, and whether the last hunk tells that more follow.
        self._old_next = self._new_next = 1
        self._goes_on = False

    def write_hunk(self, hunk: Hunk, window: Window) -> None:
        if window.row >= window.start:
            self.out.append(html.heading_row(hunk.header, hunk.section, self._view, self._expand, self._gap(hunk)))
        self._pass(hunk)
        self._write_lines(hunk, window)

    def _gap(self, hunk: Hunk) -> Gap | None:
        """What stands between the hunk before and this one, if it is the same on both sides."""
        if not hunk.old_count or not hunk.new_count:
            return None
        size = hunk.new_start - self._new_next
        return Gap(self._old_next, self._new_next, size) if size == hunk.old_start - self._old_next else None

    def _pass(self, hunk: Hunk) -> None:
        self._old_next = hunk.old_start + (hunk.old_count or 1)
        self._new_next = hunk.new_start + (hunk.new_count or 1)
        last = hunk.groups[-1] if hunk.groups else None
        ends_in_context = last is not None and not last.removed and not last.added
        # Git prints fewer lines of context only where the file ends.
        self._goes_on = (
            last is not None
            and ends_in_context
            and len(last.context) >= self._expand.context
            and not (hunk.old_cut or hunk.new_cut)
        )

    def end_row(self) -> str:
        """The row that offers what follows the last hunk."""
        if not self._goes_on or not self._expand.some:
            return ""
        return html.heading_row("", "", self._view, self._expand, Gap(self._old_next, self._new_next, -1))

    def _write_lines(self, hunk: Hunk, window: Window) -> None:
        window.row += 1
        inside = window.row >= window.start and window.row + hunk.old_count + hunk.new_count <= window.end
        if inside and self._write_calm(hunk, window):
            return
        self._old = self._new = 0
        for block in blocks(hunk):
            size = block.split_rows if self._view == "split" else block.unified_rows
            first, last = max(window.start - window.row, 0), min(window.end - window.row, size)
            if last <= 0:
                window.more = True
                return
            self._write_block(block, first, last)
            window.row += size
            if last < size:
                window.more = True
                return

    def _write_calm(self, hunk: Hunk, window: Window) -> bool:
        """A hunk that is whole in the window and all of whose lines are known to need no state: the usual case."""
        if hunk.old_cut or hunk.new_cut:
            return False
        removed_lines: list[str] = []
        for group in hunk.groups:
            removed_lines += group.removed
        new_lines: list[str] = []
        for group in hunk.groups:
            new_lines += group.context
            new_lines += group.added
        olds, news = self._painter.paint_calm(removed_lines), self._painter.paint_calm(new_lines)
        if olds is None or news is None:
            return False
        before = len(self.out)
        old = new = 0
        for block in blocks(hunk):
            new_end = new + len(block.news)
            if block.pairs is None:
                self.out += html.context_rows(self._prefix, self._view, block.old_at, block.new_at, news[new:new_end])
            else:
                old_end = old + len(block.olds)
                self._write_change(block, block.pairs, olds[old:old_end], news[new:new_end])
                old = old_end
            new = new_end
        window.row += len(self.out) - before
        return True

    def _write_change(self, block: Block, pairs: list[Pair], olds: list[str], news: list[str]) -> None:
        _mark(block, pairs, olds, news)
        if self._view == "split":
            self.out += html.pair_rows(self._prefix, block.old_at, block.new_at, pairs, olds, news)
        else:
            self.out += html.removed_rows(self._prefix, block.old_at, olds)
            self.out += html.added_rows(self._prefix, block.new_at, news)

    def _write_block(self, block: Block, first: int, last: int) -> None:
        if block.pairs is None:
            self._write_context(block, first, last)
            return
        bound = max(last, MAX_COMPARISONS)
        olds, self._old = self._painter.paint(block.olds[:bound], self._old)
        news, self._new = self._painter.paint(block.news[:bound], self._new)
        _mark(block, self._pairs_of(block, block.pairs, first, last), olds, news)
        if block.old_cut and len(olds) == len(block.olds):
            olds[-1] += NO_NEWLINE
        if block.new_cut and len(news) == len(block.news):
            news[-1] += NO_NEWLINE
        self._write_part(block, block.pairs, olds, news, first, last)

    def _pairs_of(self, block: Block, pairs: list[Pair], first: int, last: int) -> list[Pair]:
        """The pairs of which a line is in rows ``first`` to ``last``: far down a large change, the others cost seconds."""
        if last - first >= len(pairs):
            return pairs
        if self._view == "split":
            return pairs[first:last]
        removed = len(block.olds)
        return [pair for pair in pairs if first <= pair[0] < last or first <= pair[1] + removed < last]

    def _write_part(
        self, block: Block, pairs: list[Pair], olds: list[str], news: list[str], first: int, last: int
    ) -> None:
        """Rows ``first`` to ``last`` of a change."""
        prefix, removed = self._prefix, len(block.olds)
        if self._view == "split":
            self.out += html.pair_rows(prefix, block.old_at, block.new_at, pairs[first:last], olds, news)
            return
        self.out += html.removed_rows(prefix, block.old_at + first, olds[first:last])
        start = max(first - removed, 0)
        self.out += html.added_rows(prefix, block.new_at + start, news[start : max(last - removed, 0)])

    def _write_context(self, block: Block, first: int, last: int) -> None:
        lines, after = self._painter.paint(block.news[:last], self._new)
        # After a change the two sides may stand in different states (a heredoc opened on one of them).
        self._old = after if self._old == self._new else self._painter.paint(block.olds[:last], self._old)[1]
        self._new = after
        if block.new_cut and last == len(block.news):
            lines[-1] += NO_NEWLINE
        self.out += html.context_rows(
            self._prefix, self._view, block.old_at + first, block.new_at + first, lines[first:]
        )


def _mark(block: Block, pairs: Sequence[Pair], olds: list[str], news: list[str]) -> None:
    """Replace painted lines that stand against one another by marked ones."""
    if not olds or not news:
        return
    old_lines, new_lines = block.olds, block.news
    old_count, new_count = len(olds), len(news)
    for old, new in pairs:
        if 0 <= old < old_count and 0 <= new < new_count:
            olds[old], news[new] = mark_pair(olds[old], news[new], old_lines[old], new_lines[new])
