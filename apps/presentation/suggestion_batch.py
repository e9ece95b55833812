"""All suggestions of a change that wait to be applied."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.presentation.plain import visible
from apps.presentation.suggestion_views import Suggestion, suggestion_of, warning_of
from apps.reviews.access import can_apply
from apps.reviews.models import Comment
from apps.reviews.suggestions import suggested_lines

MOST = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """One of them; ``picked`` ones are ticked."""

    suggestion: Suggestion
    author: User
    thread: int
    place: str
    picked: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """``warning`` says who can no longer approve when all are applied; ``why_not`` why this person cannot apply any."""

    rows: tuple[Waiting, ...]
    warning: str
    why_not: str


def suggestion_batch(user: User, change: ChangeRequest, picked: frozenset[int]) -> Batch:
    """The first :data:`MOST` suggestions that were not applied yet."""
    may = can_apply(user, change)
    said = Comment.objects.filter(thread__change=change, body__contains="suggestion").exclude(
        application__state__in=["pending", "applied"]
    )
    rows = [
        Waiting(
            suggestion_of(user, change, row.thread, row, may_apply=may.allowed),
            row.author,
            row.thread.number,
            visible(row.thread.anchor.place),
            row.pk in picked,
        )
        for row in said.select_related("author", "thread", "application").order_by("pk")[: 5 * MOST]
        if suggested_lines(row.body) is not None
    ][:MOST]
    warning = warning_of(user, [row.author for row in rows]) if rows and may.allowed else ""
    return Batch(tuple(rows), warning, may.text)
