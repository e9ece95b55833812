"""Moving the turn: hand over with a note, snooze until later, say that nothing is to be done."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import transitions as changes
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.repositories import access as repositories
from apps.reviews import access
from apps.reviews.asking import end
from apps.reviews.attention import SETTLED_BY_SEEING, Origin
from apps.reviews.models import Assignment, Attention
from apps.reviews.services.recording import record_act
from apps.reviews.transitions import announce_turn, call_for, end_calls, end_turn, mark_stale

HOUR, TOMORROW, REVISION = "1h", "tomorrow", "revision"
UNTIL = (HOUR, TOMORROW, REVISION)
MORNING = time(9, 0)
MAX_NOTE = 300


@transaction.atomic
def hand_over(actor: User, *, change: ChangeRequest, user: User, note: str = "") -> None:
    """Make it ``user``'s turn, with a note. If it is the actor's turn, it is theirs no longer.

    A request to review or to write goes along when ``user`` can meet it; otherwise the actor is
    asked again as soon as ``user`` has acted. Handing over twice is a conflict.
    """
    locked = lock_change(change)
    access.can_hand_over(actor, locked).require_or_conflict()
    text = _checked(actor, locked, user, note)
    had_turn = end_turn(locked, actor)
    if not had_turn and Attention.objects.filter(change=locked, user=user).exists():
        raise Conflict("already_their_turn", f"It is {user.username}'s turn on {locked.label} already.")
    reason = f"Handed over by @{actor.username}: {text}" if text else f"Handed over by @{actor.username}"
    end_calls(locked, actor)
    passed = _pass_on(actor, locked, user, reason)
    call_for(locked, user, origin=Origin.HAND_OVER, reason=reason, by=actor if had_turn and not passed else None)
    audit.record(
        Actor.of(actor),
        "attention.handed_over",
        repository=locked.repository.name,
        change=locked.number,
        target=user.username,
        summary=f"{actor.username} handed {locked.label} over to {user.username}",
        data={"to": user.username, "note": text, "own_turn": had_turn},
    )


@transaction.atomic
def snooze(actor: User, *, change: ChangeRequest, until: str, zone: str = "UTC") -> Attention:
    """Put one's own turn aside: for an hour, until tomorrow at 9 in ``zone`` (an IANA name), or until a new revision.

    The change stays reachable, and the snooze ends by itself. Whose turn it is not has nothing to snooze: a conflict.
    """
    if until not in UNTIL:
        raise InvalidInput(
            "bad_until", "Snooze for an hour (1h), until tomorrow or until a new revision.", field="until"
        )
    at = _moment(until, zone)
    locked = lock_change(change)
    row = _own_turn(actor, locked)
    row.snoozed_until = at
    row.snoozed_revision = _present(locked) if until == REVISION else None
    row.snooze_ended_at = None
    row.save(update_fields=["snoozed_until", "snoozed_revision", "snooze_ended_at"])
    announce_turn(actor)
    what = "until a new revision" if at is None else f"until {at.astimezone(_zone(zone)):%Y-%m-%d %H:%M} {zone}"
    record_act(
        actor, locked, "attention.snoozed", f"snoozed {locked.label} {what}", {"until": at.isoformat() if at else until}
    )
    return row


@transaction.atomic
def unsnooze(actor: User, *, change: ChangeRequest) -> None:
    """Take the change back before the snooze ends."""
    locked = lock_change(change)
    row = _own_turn(actor, locked)
    if not row.sleeps(now(), _present(locked)):
        raise Conflict("not_snoozed", f"{locked.label} is not snoozed.")
    row.snoozed_until = row.snoozed_revision = None
    row.save(update_fields=["snoozed_until", "snoozed_revision"])
    announce_turn(actor)
    record_act(actor, locked, "attention.unsnoozed", f"took {locked.label} back from snooze", {})


@transaction.atomic
def settle_turn(actor: User, *, change: ChangeRequest) -> None:
    """Say that what one was called for needs nothing more. What the change itself waits for stays one's turn."""
    locked = lock_change(change)
    row = _own_turn(actor, locked)
    if row.kind not in SETTLED_BY_SEEING:
        raise Conflict("still_waits", f"{locked.label} waits for you: {row.reason}. Do that, or hand it over.")
    end_calls(locked, actor)
    end_turn(locked, actor)
    mark_stale(locked)
    record_act(actor, locked, "attention.settled", f"has nothing more to do on {locked.label}", {"kind": row.kind})


def _checked(actor: User, change: ChangeRequest, user: User, note: str) -> str:
    text = " ".join(note.split())
    if len(text) > MAX_NOTE:
        raise InvalidInput("note_too_long", f"A note has at most {MAX_NOTE} characters.", field="note")
    if user.pk == actor.pk:
        raise InvalidInput("own_turn", "Choose somebody else: you cannot hand a change over to yourself.", field="user")
    able = access.can_take_over(user, change)
    if not able.allowed:
        raise InvalidInput(able.code, f"{able.text} Choose somebody who can act on {change.label}.", field="user")
    return text


def _pass_on(actor: User, change: ChangeRequest, user: User, reason: str) -> bool:
    """Let the request that the actor has go to ``user``, if they can meet it; whether it went."""
    duty = Assignment.Duty.WRITE if change.status == Status.REQUESTED else Assignment.Duty.REVIEW
    own = Assignment.objects.filter(change=change, user=actor, duty=duty, ended_at=None).first()
    if own is None or not _can_meet(user, change, duty):
        return False
    end(own, Assignment.Ending.SWAPPED, f"handed over to @{user.username}")
    if not Assignment.objects.filter(change=change, user=user, duty=duty, ended_at=None).exists():
        Assignment.objects.create(
            change=change,
            user=user,
            duty=duty,
            origin=Assignment.Origin.PERSON,
            reason=reason[:500],
            assigned_by=actor,
            created_at=now(),
        )
    if duty == Assignment.Duty.WRITE:
        changes.set_owner(change, user)
    return True


def _can_meet(user: User, change: ChangeRequest, duty: str) -> bool:
    if duty == Assignment.Duty.WRITE:
        return repositories.can_write(user, change.repository).allowed
    return access.can_approve(user, change).allowed and repositories.can_review(user, change.repository).allowed


def _own_turn(actor: User, change: ChangeRequest) -> Attention:
    row = Attention.objects.filter(change=change, user=actor).first()
    if row is None:
        raise Conflict("not_your_turn", f"It is not your turn on {change.label} any more; it has left your queue.")
    return row


def _present(change: ChangeRequest) -> int:
    return change.revision.number if change.revision else 0


def _moment(until: str, zone: str) -> datetime | None:
    """When a snooze ends; ``None``: with a new revision."""
    if until == HOUR:
        return now() + timedelta(hours=1)
    if until == TOMORROW:
        local = now().astimezone(_zone(zone))
        return datetime.combine(local.date() + timedelta(days=1), MORNING, local.tzinfo).astimezone(UTC)
    return None


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            "bad_zone", f"There is no time zone “{name[:60]}”. Try Europe/Berlin or UTC.", field="zone"
        ) from None
