"""Lines that stand around a change and that the patch leaves out: links to them, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from apps.diffs import html
from apps.diffs.characters import decode
from apps.diffs.files import FileChange
from apps.diffs.fragments import Options
from apps.diffs.highlight import Painter, painter_for
from apps.diffs.keys import etag, fragment_key
from apps.diffs.lexers import State

STEP = 20
MOST = 5_000  # rows of one answer
# Lines read before the first row, so that its colours are those of the file: text blocks are shorter than this.
_READ_BEFORE = 5_000


class Place(NamedTuple):
    """``size`` lines from line ``old`` of the old file and line ``new`` of the new one; they are equal."""

    old: int
    new: int
    size: int


def context_etag(change: FileChange, options: Options, place: Place) -> str:
    """The ETag of ``context_rows`` for these arguments: answer 304 before Git is asked."""
    facts = {"context": tuple(place), "id": change.id, "piece": options.piece}
    return etag(fragment_key(change.old_oid, change.new_oid, (change.old_path, change.new_path), options.view, facts))


def lines_of(blob: bytes) -> tuple[list[str], bool]:
    """The lines of a file without their newlines, and whether the last one has none."""
    lines = decode(blob)[0].split("\n")
    if lines[-1]:
        return lines, True
    return lines[:-1], False


def are_equal(olds: Sequence[str], news: Sequence[str], place: Place) -> bool:
    """Whether the place is inside both files and its lines are equal: then they are context and no change.

    Where the new file ends, so must the old one.
    """
    if place.old < 1 or place.new < 1 or place.size < 1:
        return False
    old = olds[place.old - 1 : place.old - 1 + place.size]
    return old == news[place.new - 1 : place.new - 1 + place.size]


def context_rows(
    change: FileChange, news: Sequence[str], place: Place, *, options: Options, cut: bool = False
) -> bytes:
    """``<tbody>`` with the rows of context at ``place``, with anchors and colours as elsewhere; fewer at the end.

    ``cut``: the last line of the file has no newline.
    """
    painter = painter_for(change.path, piece=options.piece)
    first = place.new - 1
    lines = list(news[first : first + place.size])
    painted, _ = painter.paint(lines, _state_before(painter, news, first))
    if cut and painted and first + len(lines) == len(news):
        painted[-1] += html.NO_NEWLINE
    rows = html.context_rows(f"f-{change.id}-", options.view, place.old, place.new, painted)
    return f"<tbody>{''.join(rows)}</tbody>".encode()


def _state_before(painter: Painter, news: Sequence[str], first: int) -> State:
    return painter.paint(news[max(first - _READ_BEFORE, 0) : first])[1]
