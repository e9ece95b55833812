"""Emergencies whose rules are owed: paid as soon as the rules are met."""

from __future__ import annotations

from apps.changes.models import ChangeRequest
from apps.reviews.models import Emergency
from apps.reviews.queries import owed_of
from apps.reviews.transitions import pay_debt


def debts_open(limit: int) -> list[int]:
    rows = Emergency.objects.filter(paid_at=None).exclude(review_by=None)
    return list(rows.order_by("review_by").values_list("pk", flat=True)[:limit])


def settle_debt(emergency_id: int) -> None:
    """Judge what went by one emergency by the rules of now; idempotent."""
    row = Emergency.objects.filter(pk=emergency_id, paid_at=None).exclude(review_by=None).first()
    if row is None:
        return
    change = ChangeRequest.objects.select_related("repository", "revision").get(pk=row.change_id)
    if not owed_of(change, row):
        pay_debt(change, row)
