"""Emergencies whose rules are owed: paid as soon as the rules are met."""

from __future__ import annotations

from django.db import transaction

from apps.changes.models import ChangeRequest
from apps.reviews.models import Emergency
from apps.reviews.queries import owed_of
from apps.reviews.transitions import pay_debt


def debts_open(limit: int) -> list[int]:
    rows = Emergency.objects.filter(paid_at=None).exclude(review_by=None)
    return list(rows.order_by("review_by").values_list("pk", flat=True)[:limit])


@transaction.atomic
def settle_debt(emergency_id: int) -> None:
    """Judge what went by one emergency by the rules of now; idempotent."""
    changes = ChangeRequest.objects.select_for_update(of=("self",)).select_related("repository", "revision")
    change = changes.filter(emergencies=emergency_id).first()
    # Read under the lock of the change: what is used meanwhile is owed, too.
    row = Emergency.objects.filter(pk=emergency_id, paid_at=None).exclude(review_by=None).first()
    if change is not None and row is not None and not owed_of(change, row):
        pay_debt(change, row)
