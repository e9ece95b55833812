"""The one writer of diff rows (markup contract: UX §2.15). Everything that comes from a repository passes
``characters.escape`` on its way: code by the painter, headings here.

Rows are f-strings over whole blocks: a template per row costs 45 times as much. ``</td>`` and ``</tr>`` are left out
(optional end tags in HTML) and the minus sign is an entity, which keeps the text one byte per character while it is
put together. Context lines are addressed by their new number (``f-<id>-R12``), removed lines by the old (``-L12``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from apps.diffs.characters import escape, escape_line
from apps.diffs.rows import Pair

View = Literal["unified", "split"]
VIEWS: tuple[View, View] = ("unified", "split")
CONTEXT = 3  # lines of context around a change, unless asked for more
NO_NEWLINE = '<span class="eof"> \\ No newline at end of file</span>'
TABLE_CLOSE = "</table></div>"
_MINUS = '<td class="n"><td class="m" aria-hidden="true">&minus;<td><span class="sr">removed </span>'
_PLUS = '<td class="m" aria-hidden="true">+<td><span class="sr">added </span>'
_OLD_SIGN = '<td class="m d" aria-hidden="true">&minus;<td class="d"><span class="sr">removed </span>'
_NEW_SIGN = '<td class="m a" aria-hidden="true">+<td class="a"><span class="sr">added </span>'
_EMPTY = '<td class="e" colspan="3">'


def _numbers(first: int, count: int) -> Iterable[str]:
    return map(str, range(first, first + count))


class Expand(NamedTuple):
    """Links to more context than the ``context`` lines around a change: ``some`` and ``all`` are escaped addresses of the file alone with more lines around.

    ``in_place``: the gap is written on the row as well, and a script may fill it. Empty addresses: no links.
    """

    some: str = ""
    all: str = ""
    in_place: bool = False
    context: int = CONTEXT
    step: int = 20


NO_EXPAND = Expand()


class Gap(NamedTuple):
    """Lines left out before a row: from ``old`` and ``new`` on, ``size`` of them (-1: up to the end of the file)."""

    old: int
    new: int
    size: int


def heading_row(header: str, section: str, view: View, expand: Expand = NO_EXPAND, gap: Gap | None = None) -> str:
    """The row of a hunk; ``header`` is the ``@@`` part (ours), ``section`` is Git's heading (text of the file)."""
    words = f" {escape_line(section)}" if section else ""
    span = 6 if view == "split" else 4
    if gap is None or not gap.size or not expand.some:
        return f'<tr class="h"><td colspan="{span}">{header}{words}'
    place = f' data-gap="{gap.old},{gap.new},{gap.size}"' if expand.in_place else ""
    return f'<tr class="h"{place}><td colspan="{span}">{header}{words} {_expand_links(expand, gap.size)}'


def _expand_links(expand: Expand, size: int) -> str:
    if size < 0:
        return (
            f'<a class="ex" data-take="down" href="{expand.some}">{expand.step} more lines</a> '
            f'<a class="ex" data-take="all" href="{expand.all}">to the end</a>'
        )
    noun = "line" if size == 1 else "lines"
    if size <= expand.step:
        return f'<a class="ex" data-take="all" href="{expand.some}">Show {size} {noun}</a>'
    return (
        f'<a class="ex" data-take="down" href="{expand.some}">{expand.step} down</a> '
        f'<a class="ex" data-take="up" href="{expand.some}">{expand.step} up</a> '
        f'<a class="ex" data-take="all" href="{expand.all}">all {size:,} {noun}</a>'
    )


def context_rows(prefix: str, view: View, old_at: int, new_at: int, lines: Sequence[str]) -> list[str]:
    """Unchanged lines, already HTML; ``prefix`` is ``f-<id>-``."""
    numbers = zip(_numbers(old_at, len(lines)), _numbers(new_at, len(lines)), lines, strict=True)
    if view == "split":
        return [
            f'<tr id="{prefix}R{new}"><td class="n">{old}<td class="m"><td>{line}'
            f'<td class="n"><a href="#{prefix}R{new}">{new}</a><td class="m"><td>{line}'
            for old, new, line in numbers
        ]
    return [
        f'<tr id="{prefix}R{new}"><td class="n">{old}<td class="n"><a href="#{prefix}R{new}">{new}</a><td class="m"><td>{line}'
        for old, new, line in numbers
    ]


def removed_rows(prefix: str, at: int, lines: Sequence[str]) -> list[str]:
    """Removed lines of the unified view."""
    return [
        f'<tr class="d" id="{prefix}L{old}"><td class="n"><a href="#{prefix}L{old}">{old}</a>{_MINUS}{line}'
        for old, line in zip(_numbers(at, len(lines)), lines, strict=True)
    ]


def added_rows(prefix: str, at: int, lines: Sequence[str]) -> list[str]:
    """Added lines of the unified view."""
    return [
        f'<tr class="a" id="{prefix}R{new}"><td class="n"><td class="n"><a href="#{prefix}R{new}">{new}</a>{_PLUS}{line}'
        for new, line in zip(_numbers(at, len(lines)), lines, strict=True)
    ]


def _left(prefix: str, old: str, line: str) -> str:
    return f'<td class="n d" id="{prefix}L{old}"><a href="#{prefix}L{old}">{old}</a>{_OLD_SIGN}{line}'


def _right(prefix: str, new: str, line: str) -> str:
    return f'<td class="n a" id="{prefix}R{new}"><a href="#{prefix}R{new}">{new}</a>{_NEW_SIGN}{line}'


def pair_rows(
    prefix: str, old_at: int, new_at: int, pairs: Sequence[Pair], olds: Sequence[str], news: Sequence[str]
) -> list[str]:
    """Rows of a change in the split view; ``pairs`` index both sides."""
    if not olds:
        return [
            f'<tr class="x">{_EMPTY}<td class="n a" id="{prefix}R{new}"><a href="#{prefix}R{new}">{new}</a>{_NEW_SIGN}{line}'
            for new, line in ((str(new_at + index), news[index]) for _, index in pairs)
        ]
    rows = []
    for old, new in pairs:
        left = _left(prefix, str(old_at + old), olds[old]) if old >= 0 else _EMPTY
        right = _right(prefix, str(new_at + new), news[new]) if new >= 0 else _EMPTY
        rows.append(f'<tr class="x">{left}{right}')
    return rows


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
