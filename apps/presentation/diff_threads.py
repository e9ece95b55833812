"""The threads and own drafts of a difference page: outside the rows, which are shared and cached, and placed by id."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.presentation.diff_pages import Listing
from apps.presentation.diff_sides import Sides
from apps.presentation.discussion import talks_of, threads_with_first_words
from apps.presentation.plain import visible
from apps.presentation.thread_bars import Bar, bar_of
from apps.repositories.access import can_ask
from apps.reviews.drafts import drafts_of
from apps.reviews.models import DraftComment, Thread
from apps.reviews.placing import Comparison, Placement, place_threads
from apps.vcs.paths import display

PLACED = (Thread.Scope.FILE, Thread.Scope.LINE)


@dataclass(frozen=True, slots=True)
class Draft:
    """An own draft with its place on this page."""

    row: DraftComment
    place: str
    text: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class DiffThreads:
    """``elsewhere`` are threads on files that this comparison does not have; nothing is in none of the groups."""

    bars: tuple[Bar, ...]
    elsewhere: tuple[Bar, ...]
    drafts: tuple[Draft, ...]
    query: str
    may_comment: bool

    @property
    def total(self) -> int:
        return len(self.bars) + len(self.elsewhere)

    @property
    def open_count(self) -> int:
        return sum(bar.is_unsettled for bar in (*self.bars, *self.elsewhere))


def diff_threads(user: User, change: ChangeRequest, sides: Sides, found: Listing) -> DiffThreads:
    """All threads of ``change`` on files, each with its place in this comparison. A constant number of queries."""
    rows = list(threads_with_first_words(change).filter(scope__in=PLACED))
    drafts = list(drafts_of(user, change).filter(thread=None, scope__in=PLACED).select_related("revision"))
    comparison = Comparison(sides.git_dir, sides.old, sides.new, found.files, of_revisions=sides.since is not None)
    places = place_threads(comparison, rows)
    talks = talks_of(user, change, rows)
    order = {file.id: index for index, file in enumerate(found.files)}
    bars = sorted(
        (replace(bar_of(row).at(places[row.number]), talk=talks.get(row.number)) for row in rows),
        key=lambda bar: (order.get(bar.placement.file, -1), bar.placement.line or 0, bar.number),
    )
    return DiffThreads(
        bars=tuple(bar for bar in bars if bar.placement.file),
        elsewhere=tuple(bar for bar in bars if not bar.placement.file),
        drafts=tuple(_draft(row, sides, found) for row in drafts),
        query=sides.query,
        may_comment=can_ask(user, change.repository).allowed,
    )


def _draft(row: DraftComment, sides: Sides, found: Listing) -> Draft:
    """A draft keeps its line numbers: on another revision it stands under the heading of its file, with its place."""
    own = "old_path" if row.side == "old" else "path"
    file = next((item for item in found.files if display(getattr(item, own)) == row.path), None)
    same = row.revision_id == sides.revision.pk and sides.since is None
    line = row.line if same else None
    placement = Placement(file.id, row.side, row.start_line, line) if file else Placement()
    return Draft(row, visible(row.anchor.place), visible(row.body), placement)
