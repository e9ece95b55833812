"""Emergencies whose rules are owed: paid as soon as the rules are met."""

from __future__ import annotations

from django.db import transaction

from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.reviews.models import Emergency
from apps.reviews.queries import owed_of
from apps.reviews.transitions import pay_debt


def debts_open(limit: int) -> list[int]:
    return list(Emergency.objects.owed().order_by("review_by").values_list("pk", flat=True)[:limit])


@transaction.atomic
def settle_debt(emergency_id: int) -> None:
    """Judge what went by one emergency by the rules of now; idempotent."""
    found = ChangeRequest.objects.filter(emergencies=emergency_id).first()
    change = lock_change(found) if found is not None else None
    # Read under the lock of the change: what is used meanwhile is owed, too.
    row = Emergency.objects.owed().filter(pk=emergency_id).first()
    if change is not None and row is not None and not owed_of(change, row):
        pay_debt(change, row)
