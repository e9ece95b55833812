"""Taking back an own verdict."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, NotVisible
from apps.reviews import access
from apps.reviews.models import Review
from apps.reviews.transitions import mark_stale


@transaction.atomic
def withdraw_review(actor: User, *, change: ChangeRequest, review: int) -> Review:
    """Take back a verdict of ``actor`` on ``change``: it does not count from now on, and stays on record as withdrawn.

    Guarantees: only the person who gave it, and not once the change is merged or being merged; a second withdrawal
    is a :class:`Conflict`. :class:`NotVisible` for a review of another change.
    """
    locked = lock_change(change)
    row = locked.reviews.select_related("reviewer", "revision").filter(pk=review).first()
    if row is None:
        raise NotVisible("unknown_review", f"{locked.label} has no such review.")
    access.can_withdraw_review(actor, locked, row).require_or_conflict()
    row.withdrawn_at = now()
    if not Review.objects.filter(pk=row.pk, withdrawn_at=None).update(withdrawn_at=row.withdrawn_at):
        raise Conflict("already_withdrawn", "This review was withdrawn already.")
    audit.record(
        Actor.of(actor),
        "review.withdrawn",
        repository=locked.repository.name,
        change=locked.number,
        environment=row.environment,
        target=f"{locked.label} {row.revision.label}",
        summary=f"{actor.username} withdrew what they said of {locked.label} {row.revision.label}: {_noun(row.verdict)}",
        data={"review": row.pk, "verdict": str(row.verdict), "revision": row.revision.number, "stage": str(row.stage)},
    )
    mark_stale(locked)
    return row


def _noun(verdict: str) -> str:
    return "an approval" if verdict == Review.Verdict.APPROVE else "a request for changes"
