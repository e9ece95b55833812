"""What the page does not display by itself, each part with why and how much of it: the same list for the page, for the
review form and for what is stored with a review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.diffs import tiers
from apps.diffs.files import FileChange, FileFacts
from apps.diffs.fragments import count_words
from apps.presentation.diff_pages import Listing
from apps.presentation.plain import visible
from apps.vcs.paths import display


@dataclass(frozen=True, slots=True)
class Undisplayed:
    """One file that is closed, or lines of it that are cut. ``counts`` are its lines in words, empty if ``reason`` has them."""

    id: str
    path: str
    reason: str
    counts: str
    added: int
    removed: int


def undisplayed(found: Listing) -> tuple[Undisplayed, ...]:
    """In the order of the difference; empty while nothing is counted."""
    return tuple(_parts(found))


def _parts(found: Listing) -> Iterator[Undisplayed]:
    for change in found.files:
        facts = found.facts.get(change.id)
        if facts is None:
            continue
        reason = tiers.closed_reason(change, facts)
        if reason:
            yield _part(change, facts, reason)
        elif facts.cut:
            yield _part(change, facts, f"{facts.cut:,} long {'line is' if facts.cut == 1 else 'lines are'} cut")


def _part(change: FileChange, facts: FileFacts, reason: str) -> Undisplayed:
    path = visible(display(change.path))
    return Undisplayed(change.id, path, reason, count_words(facts), facts.added, facts.removed)
