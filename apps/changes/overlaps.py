"""What pages and the API say of other open changes that touch the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from apps.changes.models import ChangeRequest, Overlap
from apps.core.text import first_few

NAMED = 5
RELATED = ("first__change__owner", "first__change__requester", "second__change__owner", "second__change__requester")


@dataclass(frozen=True, slots=True)
class Overlapping:
    """One other change. ``things`` are labels of what both touch, of ``count``; ``words`` says what follows from the order.

    ``order``: ``waiting`` (being compared), ``unknown``, ``conflict``, ``matters``, ``free`` (both orders end in the same).
    ``stays`` and ``theirs_stay``: whether approvals carry over when the other is merged first; ``None`` is not known.
    """

    other: ChangeRequest
    things: tuple[str, ...]
    count: int
    order: str
    words: str
    stays: bool | None
    theirs_stay: bool | None

    @property
    def more(self) -> int:
        return self.count - len(self.things)


def overlaps_of(change: ChangeRequest) -> list[Overlapping]:
    """The other open changes that touch what the present revision touches; one query."""
    if change.revision_id is None:
        return []
    rows = Overlap.objects.present().filter(Q(first=change.revision_id) | Q(second=change.revision_id))
    return [_seen_from(change, row) for row in rows.select_related(*RELATED)]


def overlapping_pairs(revisions: Collection[int]) -> dict[frozenset[int], int]:
    """How much each two of these revisions (keys) both touch; one query."""
    rows = Overlap.objects.filter(first__in=revisions, second__in=revisions)
    return {frozenset(pair): count for *pair, count in rows.values_list("first", "second", "count")}


def _seen_from(change: ChangeRequest, row: Overlap) -> Overlapping:
    is_first = row.first_id == change.revision_id
    other = (row.second if is_first else row.first).change
    stays, theirs = (row.first_stays, row.second_stays) if is_first else (row.second_stays, row.first_stays)
    return Overlapping(
        other=other,
        things=tuple(row.things[:NAMED]),
        count=row.count,
        order=_order(row),
        words=_words(row, other, stays, theirs),
        stays=stays,
        theirs_stay=theirs,
    )


def _order(row: Overlap) -> str:
    if row.state == Overlap.State.QUEUED:
        return "waiting"
    if row.conflicts:
        return "conflict"
    if row.state == Overlap.State.FAILED or row.same_end is None:
        return "unknown"
    return "free" if row.same_end else "matters"


def _words(row: Overlap, other: ChangeRequest, stays: bool | None, theirs: bool | None) -> str:
    order = _order(row)
    if order == "waiting":
        return "Both orders are being compared."
    if order == "unknown":
        return f"It is not known whether the order matters: {row.message or 'one of them has no result.'}"
    if order == "conflict":
        return f"They conflict in {first_few(row.conflicts)}: whichever is merged second has to be rebased first."
    if order == "matters":
        return f"The order matters: {first_few(row.differs)} ends differently. Agree on who goes first."
    return f"The result is the same in either order. {_approvals(other, stays, theirs)}"


def _approvals(other: ChangeRequest, stays: bool | None, theirs: bool | None) -> str:
    if stays and theirs:
        return "Approvals of either stay when the other is merged first."
    if stays is None and theirs is None:
        return "Whether approvals stay shows when one of them is merged."
    if stays is False and theirs is False:
        return f"If {other.label} is merged first, approvals of this change have to be given again, and the other way round."
    if stays is False:
        return f"If {other.label} is merged first, approvals of this change have to be given again."
    if theirs is False:
        return f"If this change is merged first, approvals of {other.label} have to be given again."
    return "Approvals of one of them stay; of the other that shows when the first is merged."
