"""Find in all files, and the same change in many files: whole differences read once, kept for the next question."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.core.errors import TooLarge
from apps.diffs.classes import Classes, classes_of
from apps.diffs.files import FileChange
from apps.diffs.find import Found, find
from apps.diffs.parse import MalformedDiff
from apps.presentation.diff_pages import WHOLE_FILES, Listing, content_key, file_patches, listing
from apps.presentation.diff_sides import Sides
from apps.presentation.recent import Recent
from apps.vcs.errors import GitOutputTooLarge

SECONDS = 5.0
"""Processor time that one search may take once Git has answered (Git has its own limit)."""
KEPT_BYTES = 16_000_000
COMPARED_BYTES = 32_000_000
Patches = list[tuple[FileChange, bytes]]
_PATCHES: Recent[Patches] = Recent(2)
_CLASSES: Recent[Classes] = Recent(64)


@dataclass(frozen=True, slots=True)
class Search:
    """What was looked for and found. ``text`` is empty when nothing was asked."""

    text: str
    same_case: bool
    found: Found


def search(sides: Sides, text: str, *, same_case: bool) -> Search:
    """Every place of ``text`` in the difference, within the limits that ``Found`` reports."""
    if not text:
        return Search("", same_case, Found(()))
    patches = _all_patches(sides)
    until = time.thread_time() + SECONDS
    found = find(patches, text, same_case=same_case, is_late=lambda: time.thread_time() > until)
    return Search(text, same_case, found)


def classes_at_once(sides: Sides, found: Listing) -> Classes | None:
    """As ``classes``, for a difference that is small enough to be in memory; ``None`` for others, which ask later."""
    return classes(sides) if found.counted and len(found.files) <= WHOLE_FILES else None


def classes(sides: Sides) -> Classes | None:
    """Files that change alike; ``None`` for a difference that is too large to be compared."""
    key = content_key(sides, "classes")
    found = _CLASSES.get(key)
    if found is None:
        patches = _all_patches(sides)
        if sum(len(patch) for _, patch in patches) > COMPARED_BYTES:
            return None
        found = _CLASSES.put(key, classes_of(patches))
    return found


def _all_patches(sides: Sides) -> Patches:
    key = content_key(sides, "all")
    found = _PATCHES.get(key)
    if found is not None:
        return found
    try:
        patches = file_patches(sides, list(listing(sides).files))
    except (GitOutputTooLarge, MalformedDiff) as error:
        message = "This difference is too large to be read at once. Download the .patch and look into it there."
        raise TooLarge("difference_too_large", message) from error
    if sum(len(patch) for _, patch in patches) <= KEPT_BYTES:
        _PATCHES.put(key, patches)
    return patches
