"""A whole difference on one page, as a stream: what is in memory is one file or one window of it, whatever the size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from apps.core.errors import PortalError
from apps.diffs.characters import escape
from apps.diffs.files import FileChange, FileFacts, describe
from apps.diffs.fragments import Options, render_file, section_open
from apps.diffs.html import TABLE_CLOSE
from apps.presentation.diff_pages import TOO_LARGE, content_key, listing, patches_of
from apps.presentation.diff_sides import Sides
from apps.presentation.recent import Recent

FILES_AT_ONCE = 20
ROWS_AT_ONCE = 10_000
TABLE_END = TABLE_CLOSE.encode()
MORE = b'<tbody class="mr"'


KEPT_BYTES, MOST_KEPT = 24_000_000, 8_000_000
_WHOLES: Recent[bytes] = Recent(KEPT_BYTES, weigh=len)
"""Whole differences that were sent of late: what several people review at the same time is written once."""


def whole_difference(sides: Sides, options: Options) -> Iterator[bytes]:
    """Every row of every file, nothing closed. An error in the middle is said in words where it happened."""
    key = content_key(sides, f"whole:{options.view}:{options.query}")
    kept = _WHOLES.get(key)
    if kept is not None:
        yield kept
        return
    sent: list[bytes] = []
    size = 0
    try:
        for part in _files(sides, options):
            yield part
            size += len(part)
            if size <= MOST_KEPT:
                sent.append(part)
            else:
                sent.clear()
    except PortalError as error:
        yield f'<p class="dn" role="alert">The difference ends here: {escape(error.message)}</p>'.encode()
        return
    if size <= MOST_KEPT:
        _WHOLES.put(key, b"".join(sent))


def _files(sides: Sides, options: Options) -> Iterator[bytes]:
    files = iter(listing(sides).files)
    while batch := list(islice(files, FILES_AT_ONCE)):
        patches = {change.id: patch for change, patch in patches_of(sides, batch)}
        for change in batch:
            yield from _file(sides, change, patches.pop(change.id, None), options)


def _file(sides: Sides, change: FileChange, patch: bytes | None, options: Options) -> Iterator[bytes]:
    facts = None if patch is None else _facts(sides, change, patch)
    yield section_open(change, facts).encode() + b'<div class="fb">'
    yield from [TOO_LARGE] if patch is None else _rows(change, patch, options, facts)
    yield b"</div></section>"


def _facts(sides: Sides, change: FileChange, patch: bytes) -> FileFacts:
    return listing(sides).facts[change.id] if sides.ignore_space else describe(change, patch)


def _rows(change: FileChange, patch: bytes, options: Options, facts: FileFacts | None) -> Iterator[bytes]:
    """The body of a file, window by window; what stands between them on a page ("next rows", end of table) is moved."""
    start: int | None = 0
    close = b""
    while start is not None:
        body = render_file(change, patch, options=options, start_row=start, max_rows=ROWS_AT_ONCE, facts=facts)
        html, start = body.html, body.next_row
        if html.endswith(TABLE_END):
            html, close = html.removesuffix(TABLE_END), TABLE_END
        cut = html.rfind(MORE) if start is not None else -1
        yield html[:cut] if cut >= 0 else html
    yield close
