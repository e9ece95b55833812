"""Who has begun to review a change: their request is not taken away behind their back."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from apps.changes.models import ChangeRequest
from apps.reviews.models import Assignment, Comment, DraftComment, Review, SeenMark, Thread


def started_on(change: ChangeRequest) -> frozenset[int]:
    """Ids of everybody who reviewed ``change``, wrote in a thread of it or a draft on it, or viewed a file of it."""
    reviewers = Review.objects.filter(change=change).values_list("reviewer", flat=True).order_by()
    openers = Thread.objects.filter(change=change).values_list("created_by", flat=True).order_by()
    writers = Comment.objects.filter(thread__change=change).values_list("author", flat=True).order_by()
    drafters = DraftComment.objects.filter(change=change).values_list("author", flat=True).order_by()
    viewers = SeenMark.objects.filter(change=change).values_list("user", flat=True).order_by()
    return frozenset(reviewers.union(openers, writers, drafters, viewers))


def not_begun(requests: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Those of ``requests`` whose person has not begun."""
    here = {"change": OuterRef("change")}
    return requests.exclude(
        Exists(Review.objects.filter(**here, reviewer=OuterRef("user")))
        | Exists(Thread.objects.filter(**here, created_by=OuterRef("user")))
        | Exists(Comment.objects.filter(thread__change=OuterRef("change"), author=OuterRef("user")))
        | Exists(DraftComment.objects.filter(**here, author=OuterRef("user")))
        | Exists(SeenMark.objects.filter(**here, user=OuterRef("user")))
    )
