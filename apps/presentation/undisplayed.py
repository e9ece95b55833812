"""What the page does not display by itself, each part with why and how much of it: the same list for the page, for the
review form and for what is stored with a review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.diffs import tiers
from apps.diffs.files import FileChange, FileFacts
from apps.diffs.fragments import count_words
from apps.presentation.diff_pages import Listing, counted_listing
from apps.presentation.diff_sides import sides_of
from apps.presentation.plain import visible
from apps.vcs.paths import display

SHORT = 10
NAMED = 200
"""Parts that a page names; their number is said beside, and a review stores more of them."""


@dataclass(frozen=True, slots=True)
class Undisplayed:
    """One file that is closed, or lines of it that are cut. ``counts`` are its lines in words, empty if ``reason`` has them."""

    id: str
    path: str
    reason: str
    counts: str
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class NamedParts:
    """The parts that a page names (at most :data:`NAMED`), by the names of the page of a difference."""

    not_displayed: tuple[Undisplayed, ...]
    not_displayed_total: int
    counted: bool = True

    @property
    def names_all_parts(self) -> bool:
        """Whether what is not displayed is few enough to be named at once."""
        return 0 < self.not_displayed_total <= SHORT


def named_parts(change: ChangeRequest) -> NamedParts | None:
    """Those of the present revision of ``change``, counted whatever it takes; ``None`` while there is no code."""
    sides = sides_of(change, "", "")
    parts = undisplayed(counted_listing(sides)) if sides else None
    return None if parts is None else NamedParts(parts[:NAMED], len(parts))


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
