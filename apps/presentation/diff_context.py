"""Lines around a change, read from the contents of both sides."""

from __future__ import annotations

from django.core.cache import cache

from apps.core.errors import InvalidInput
from apps.diffs.context import MOST, Place, are_equal, context_etag, context_rows, lines_of
from apps.diffs.files import FileChange
from apps.diffs.fragments import Options
from apps.presentation.diff_pages import ABSENT, KEEP
from apps.presentation.diff_sides import Sides
from apps.vcs import objects
from apps.vcs.errors import BlobTooLarge

MAX_BYTES = 16 * 1024 * 1024


def context_body(sides: Sides, change: FileChange, options: Options, place: Place) -> bytes:
    """The rows at ``place``; :class:`InvalidInput` unless these lines are there and equal on both sides."""
    place = place._replace(size=min(place.size, MOST))
    key = f"diff-context:{sides.git_dir.name}:{context_etag(change, options, place)}"
    cached: bytes | None = cache.get(key)
    if cached is None:
        olds, news, cut = _both(sides, change)
        if not are_equal(olds, news, place):
            raise InvalidInput("no_context", "These are not lines that both sides have in common. Load the page again.")
        cached = context_rows(change, news, place, options=options, cut=cut)
        cache.set(key, cached, KEEP)
    return cached


def _both(sides: Sides, change: FileChange) -> tuple[list[str], list[str], bool]:
    if ABSENT in (change.old_oid, change.new_oid):
        return [], [], False  # a new or a deleted file has no lines that both sides have
    try:
        old, new = (
            objects.read_blob(sides.git_dir, oid, max_bytes=MAX_BYTES) for oid in (change.old_oid, change.new_oid)
        )
    except BlobTooLarge as error:
        words = f"This file is larger than {MAX_BYTES:,} bytes: download the patch to read more of it."
        raise InvalidInput("too_large", words) from error
    news, cut = lines_of(new)
    return lines_of(old)[0], news, cut
