"""What stands around the review form: what is approved, whether it will count, what was not displayed."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.reviews import access
from apps.reviews import queries as reviews
from apps.reviews.models import Review


@dataclass(frozen=True, slots=True)
class ReviewPanel:
    """``may_review``: the form is there. ``may_approve`` with ``why_not``; ``will_count``: the sentence before submitting."""

    revision: int
    may_review: bool
    may_approve: bool
    why_not: str
    will_count: str


def review_panel(user: User, change: ChangeRequest) -> ReviewPanel:
    """The panel for ``user`` now; the service judges again when the form arrives."""
    comment = access.can_review(user, change, verdict=Review.Verdict.COMMENT)
    approve = access.can_review(user, change, verdict=Review.Verdict.APPROVE)
    revision = change.revision.number if change.revision else 0
    open_for_review = change.status == "in_review" and bool(revision)
    return ReviewPanel(
        revision=revision,
        may_review=comment.allowed and open_for_review,
        may_approve=approve.allowed,
        why_not=approve.text,
        will_count=reviews.will_count(user, change) if approve.allowed else "",
    )
