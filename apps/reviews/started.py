"""Who has begun to review a change: their request is not taken away behind their back."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from apps.changes.models import ChangeRequest
from apps.reviews.models import Assignment, Comment, Review, Thread


def started_on(change: ChangeRequest) -> frozenset[int]:
    """Ids of everybody who reviewed ``change`` or wrote in a thread of it."""
    reviewers = Review.objects.filter(change=change).values_list("reviewer", flat=True).order_by()
    openers = Thread.objects.filter(change=change).values_list("created_by", flat=True).order_by()
    writers = Comment.objects.filter(thread__change=change).values_list("author", flat=True).order_by()
    return frozenset(reviewers.union(openers, writers))


def not_begun(requests: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Those of ``requests`` whose person has not begun."""
    here = {"change": OuterRef("change")}
    return requests.exclude(
        Exists(Review.objects.filter(**here, reviewer=OuterRef("user")))
        | Exists(Thread.objects.filter(**here, created_by=OuterRef("user")))
        | Exists(Comment.objects.filter(thread__change=OuterRef("change"), author=OuterRef("user")))
    )
