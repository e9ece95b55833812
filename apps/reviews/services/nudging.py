"""Reminding a person who is asked: once a day at most, so that it stays a reminder."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts.absences import back_on
from apps.accounts.models import User
from apps.accounts.queries import absences_at
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.reviews import access
from apps.reviews.models import Assignment, News, Review
from apps.reviews.queries import request_of
from apps.reviews.transitions import mark_stale, tell

EVERY = timedelta(days=1)
_REMINDER = re.compile(r" \(reminded by [^()]*\)$")


@transaction.atomic
def nudge(actor: User, *, change: ChangeRequest, user: User) -> datetime:
    """Remind ``user``, who is asked to review; returns when it is possible again.

    One reminder per person, change and day, whoever gives it. Conflict ``not_assigned``, ``not_their_turn``,
    ``away``, ``nudged_lately`` (with ``again_at``).
    """
    rows = ChangeRequest.objects.select_for_update(of=("self",), no_key=True).select_related("repository", "requester")
    locked = rows.get(pk=change.pk)
    access.can_nudge(actor, locked).require_or_conflict()
    row = _request(actor, locked, user)
    _require_time(locked, user)
    row.nudged_at, row.nudged_by = now(), actor
    # The reason is what the person reads in the queue, so that is where the reminder is seen.
    row.reason = f"{_REMINDER.sub('', row.reason)[:400]} (reminded by {actor.username})"
    row.save(update_fields=["nudged_at", "nudged_by", "reason"])
    audit.record(
        Actor.of(actor),
        "change.reviewer_nudged",
        repository=locked.repository.name,
        change=locked.number,
        target=user.username,
        summary=f"{actor.username} reminded {user.username} of {locked.label}",
        data={"user": user.username},
    )
    tell(locked, [user.pk], kind=News.Kind.NUDGE, text=f"{actor.username} reminds you of your review", by=actor.pk)
    mark_stale(locked)
    return row.nudged_at + EVERY


def _request(actor: User, change: ChangeRequest, user: User) -> Assignment:
    if actor.pk == user.pk:
        raise Conflict("own_turn", "You are the person who is asked; decline it if it is not for you.")
    row = request_of(change, user)
    if Review.objects.filter(change=change, reviewer=user, revision=change.revision_id).exists():
        raise Conflict("not_their_turn", f"{user.username} has reviewed the present revision of {change.label}.")
    absence = absences_at(now()).get(user.pk)
    if absence is not None:
        back = back_on(absence.ends_at, absence.time_zone, now())
        raise Conflict("away", f"{user.username} is away until {back}. Somebody else is being asked.")
    return row


def _require_time(change: ChangeRequest, user: User) -> None:
    last = Assignment.objects.filter(change=change, user=user).aggregate(last=Max("nudged_at"))["last"]
    if last is None or last + EVERY <= now():
        return
    again = timezone.localtime(last + EVERY)
    text = (
        f"{user.username} was reminded of {change.label} already; again from {again:%d %b %H:%M} {again.tzname()} on."
    )
    raise Conflict("nudged_lately", text, again_at=(last + EVERY).isoformat())
