"""An emergency is used, and its debt is paid: written in the transaction of what it opened, or of what paid it."""

from __future__ import annotations

from datetime import timedelta

from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.reviews.models import Emergency
from apps.reviews.transitions.turns import mark_stale


def use_emergency(
    change: ChangeRequest, row: Emergency, *, stage: str, environment: str, review_within_seconds: int
) -> None:
    """The gate of ``stage`` opened by it: from now on the rules are owed. Idempotent."""
    use = [stage, environment]
    if use in row.uses:
        return
    row.uses = [*row.uses, use]
    row.review_by = row.review_by or now() + timedelta(seconds=review_within_seconds)
    row.paid_at = None
    row.save(update_fields=["uses", "review_by", "paid_at"])
    where = f"deployment to {environment}" if environment else "merge"
    _record(change, row, "emergency.used", f"The {where} of {change.label} went by the emergency, without its rules")


def pay_debt(change: ChangeRequest, row: Emergency) -> None:
    """The rules are met after all."""
    if Emergency.objects.filter(pk=row.pk, paid_at=None).update(paid_at=now()):
        _record(change, row, "emergency.reviewed", f"What went by the emergency of {change.label} meets its rules now")
        mark_stale(change)


def _record(change: ChangeRequest, row: Emergency, action: str, summary: str) -> None:
    audit.record(
        SYSTEM,
        action,
        repository=change.repository.name,
        change=change.number,
        target=change.label,
        summary=summary,
        data={"emergency": row.pk, "uses": row.uses, "review_by": row.review_by.isoformat() if row.review_by else ""},
    )
