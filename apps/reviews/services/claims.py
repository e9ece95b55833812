"""Claiming a review that a group is asked for, and giving the claim back."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.reviews import access
from apps.reviews.attention import Kind, Turn
from apps.reviews.models import Assignment, Opening
from apps.reviews.services.recording import record_act
from apps.reviews.transitions import end_turn, give_turn, mark_stale


@transaction.atomic
def claim(actor: User, *, change: ChangeRequest) -> Assignment:
    """Take the review of ``change`` for one's group. Of two who claim at once one wins, the other gets a conflict."""
    locked = lock_change(change)
    access.can_claim(actor, locked).require_or_conflict()
    needs = list(Opening.objects.filter(change=locked, user=actor).order_by("pk").values_list("need", flat=True))
    if not needs:
        raise _not_open(actor, locked)
    reason = f"you claimed it for: {', '.join(needs)}"
    row = Assignment.objects.create(
        change=locked,
        user=actor,
        duty=Assignment.Duty.REVIEW,
        origin=Assignment.Origin.CLAIM,
        reason=reason[:500],
        assigned_by=actor,
        created_at=now(),
    )
    Opening.objects.filter(change=locked, need__in=needs).delete()
    give_turn(locked, actor, Turn(Kind.REVIEW, f"{reason[:1].upper()}{reason[1:]}"))
    record_act(actor, locked, "attention.claimed", f"claimed the review of {locked.label}", {"needs": needs})
    mark_stale(locked)
    return row


@transaction.atomic
def release_claim(actor: User, *, change: ChangeRequest) -> None:
    """Give a claim back, so that the group sees it again."""
    locked = lock_change(change)
    rows = Assignment.objects.filter(change=locked, user=actor, origin=Assignment.Origin.CLAIM, ended_at=None)
    if not rows.update(ended_at=now(), ending=Assignment.Ending.WITHDRAWN, ended_reason="gave the claim back"):
        raise Conflict("not_claimed", f"You hold no claim on {locked.label}.")
    end_turn(locked, actor)
    record_act(actor, locked, "attention.released", f"gave the claim on {locked.label} back", {})
    mark_stale(locked)


def _not_open(actor: User, change: ChangeRequest) -> Conflict:
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None).order_by("-pk")
    if asked.filter(user=actor).exists():
        return Conflict("already_claimed", f"You are asked to review {change.label} already.", by=actor.username)
    last = asked.select_related("user").first()
    if last is not None:
        return Conflict(
            "already_claimed", f"{last.user.username} has taken {change.label} already.", by=last.user.username
        )
    return Conflict("nothing_to_claim", f"{change.label} has no review that your group may claim now.")
