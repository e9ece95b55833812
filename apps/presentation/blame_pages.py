"""Who last changed each line of a file: the lines at once, the names as far as Git knows them by then.

A window of a file is one page. Whatever Git has told a few milliseconds after its first answer is in the first
response; while names are missing, the table is fetched again whole (or by a link, without scripts). A complete blame is
remembered by commit, path and window: it can never change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe

from apps.diffs.characters import decode, escape, escape_attribute
from apps.presentation.history_pages import Place, address
from apps.vcs.blaming import Blame, Span, blame, joined
from apps.vcs.objects import TreeEntry, entry_at, read_blob_head
from apps.vcs.paths import display, encode

WINDOW = 400
"""Lines of one page."""
PATIENCE = 0.02
"""Seconds that the first response waits for more names, counted from the first one."""
MOST_BYTES = 8 << 20
"""Bytes of a file that are looked at; the rest is downloaded, not blamed."""
LINE_CHARACTERS = 2_000
BINARY_SAMPLE = 8_000
KEEP = 24 * 3600


@dataclass(frozen=True, slots=True)
class BlamePage:
    """Lines ``first``…``last`` of ``total``; ``problem`` says instead why there are none. ``cut``: the file goes on."""

    place: Place
    problem: str
    rows: SafeString
    first: int
    last: int
    total: int
    complete: bool
    cut: bool
    rest: str
    following: str
    preceding: str
    history: str


def blame_page(place: Place, *, start: int, patient: bool) -> BlamePage:
    """The window from line ``start``; ``patient``: with every name, however long Git takes (within its limit)."""
    entry = entry_at(place.repository.mirror_path, place.oid, place.path) if place.path else None
    problem = _problem(place, entry)
    if problem or entry is None:
        return _page(place, problem=problem)
    head = read_blob_head(place.repository.mirror_path, entry.oid, max_bytes=MOST_BYTES)
    if b"\0" in head.data[:BINARY_SAMPLE]:
        return _page(place, problem=f"A binary file of {head.size:,} bytes has no lines.")
    lines = head.data.removesuffix(b"\n").split(b"\n") if head.data else []
    if head.is_truncated:
        lines.pop()
    if not lines:
        return _page(place, problem="The file is empty.")
    first = min(max(start, 1), len(lines))
    last = min(first + WINDOW - 1, len(lines))
    found = _blamed(place, first, last, patient=patient)
    rows = _rows(place, found, lines[first - 1 : last], first)
    return _page(
        place, rows=rows, first=first, last=last, total=len(lines), complete=found.complete, cut=head.is_truncated
    )


def _problem(place: Place, entry: TreeEntry | None) -> str:
    if not place.path:
        return "Name a file: its path from the top of the repository."
    if entry is None:
        return "There is no such file at this commit. Its history may tell where it went."
    if entry.type == "tree":
        return "This is a folder; only files have lines. Its history shows what changed in it."
    if entry.is_gitlink:
        return "This is a submodule: its files live in another repository."
    return "This is a symbolic link: it has no lines of its own." if entry.is_symlink else ""


def _page(
    place: Place, *, problem: str = "", rows: SafeString | str = "", first: int = 0, last: int = 0, total: int = 0,
    complete: bool = True, cut: bool = False,
) -> BlamePage:  # fmt: skip
    return BlamePage(
        place=place, problem=problem, rows=SafeString(rows), first=first, last=last, total=total, complete=complete, cut=cut,
        rest=address(place.repository, "_blame", ref=place.oid, path=place.path, start=first),
        following=place.address("blame", start=last + 1) if last < total else "",
        preceding=place.address("blame", start=max(first - WINDOW, 1)) if first > 1 else "",
        history=place.address("history"),
    )  # fmt: skip


def _blamed(place: Place, first: int, last: int, *, patient: bool) -> Blame:
    git_dir = place.repository.mirror_path
    path = hashlib.sha256(encode(place.path)).hexdigest()
    key = f"blame:1:{git_dir.name}:{place.oid}:{path}:{first}:{last}"
    kept: Blame | None = cache.get(key)
    if kept is not None:
        return kept
    found = joined(
        blame(git_dir, place.oid, place.path, first=first, last=last, patience=None if patient else PATIENCE)
    )
    if found.complete:
        cache.set(key, found, KEEP)
    return found


def _rows(place: Place, found: Blame, lines: list[bytes], first: int) -> SafeString:
    starts = {span.start: span for span in found.spans}
    html, at, last = [], first, first + len(lines) - 1
    while at <= last:
        span = starts.get(at)
        until = at + span.count if span else min((start for start in starts if start > at), default=last + 1)
        cell = _cell(place, span, until - at) if span else _unknown(until - at)
        for number in range(at, until):
            html.append(
                f'<tr id="L{number}">{cell}<td class="n"><a href="#L{number}">{number}</a><td>{_code(lines[number - first])}\n'
            )
            cell = ""
        at = until
    return mark_safe("".join(html))  # noqa: S308  # every part is escaped


def _cell(place: Place, span: Span, count: int) -> str:
    origin = span.origin
    link = escape_attribute(address(place.repository, "history", ref=origin.oid, path=span.path))
    moved = f'<br><span class="muted">as {escape(display(span.path))}</span>' if span.path != place.path else ""
    return (
        f'<th scope="rowgroup" class="bl" rowspan="{count}"><span class="bl-who"><bdi>{escape(origin.author)}</bdi> '
        f'<time datetime="{origin.at.isoformat(timespec="seconds")}">{origin.at:%d %b %Y}</time> '
        f'<a class="mono" href="{link}" title="{escape_attribute(origin.summary)}">{origin.oid[:8]}</a>{moved}</span></th>'
    )


def _unknown(count: int) -> str:
    return f'<th scope="rowgroup" class="bl" rowspan="{count}"><span class="muted">Git still looks for who wrote this</span></th>'


def _code(line: bytes) -> str:
    text, _ = decode(line)
    if len(text) <= LINE_CHARACTERS:
        return escape(text)
    return (
        f'{escape(text[:LINE_CHARACTERS])} <span class="cut">… {len(text) - LINE_CHARACTERS:,} more characters</span>'
    )
