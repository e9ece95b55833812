"""What was said on a change, as every part of a page asks for it."""

from __future__ import annotations

from apps.changes.models import ChangeRequest
from apps.core.reading import once_per_read
from apps.reviews.models import Review


@once_per_read
def reviews_of(change: ChangeRequest) -> tuple[Review, ...]:
    """All reviews of ``change``, the oldest first, with who gave them and the revision that they are of; one query."""
    return tuple(change.reviews.select_related("reviewer", "revision").order_by("pk"))
