"""Being away: entered by the person (or an administrator), with somebody who stands in."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from apps.accounts.absences import end_of, is_zone, start_of
from apps.accounts.access import can_declare_absence, can_end_absence
from apps.accounts.models import Absence, User
from apps.audit.actors import Actor
from apps.audit.services import record
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput

LONGEST = timedelta(days=366)
MOST = 20
"""Absences of one person that are not over."""


@transaction.atomic
def declare_absence(
    actor: User,
    *,
    user: User,
    first_day: date,
    last_day: date,
    time_zone: str = "",
    deputy: User | None = None,
    note: str = "",
) -> Absence:
    """``user`` is away from the start of ``first_day`` to the end of ``last_day`` (in ``time_zone``, default their own).

    While it lasts nobody asks them anew; ``deputy`` is asked instead where they can do it. Days may not
    overlap another absence, so that there is one answer to "until when". InvalidInput ``bad_days``,
    ``bad_deputy``, ``bad_time_zone``; Conflict ``overlaps``, ``too_many``.
    """
    can_declare_absence(actor, user).require()
    zone_name = time_zone or user.time_zone or "UTC"
    if not is_zone(zone_name):
        raise InvalidInput("bad_time_zone", f"{zone_name[:60]} is no time zone of the list.", field="time_zone")
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    _require_days(first_day, last_day, zone_name)
    _require_deputy(locked, deputy)
    starts_at, ends_at = start_of(first_day, zone_name), end_of(last_day, zone_name)
    _require_room(locked, starts_at, ends_at)
    absence = Absence.objects.create(
        user=locked,
        first_day=first_day,
        last_day=last_day,
        time_zone=zone_name,
        starts_at=starts_at,
        ends_at=ends_at,
        deputy=deputy,
        note=note.strip()[:200],
        created_at=now(),
    )
    stands_in = f"; {deputy.username} stands in" if deputy else ""
    record(
        Actor.of(actor),
        "user.absence_declared",
        target=f"user/{locked.username}",
        summary=f"{locked.username} is away from {first_day} to {last_day} ({zone_name}){stands_in}",
        data=_facts(absence),
    )
    return absence


@transaction.atomic
def end_absence(actor: User, *, absence: Absence) -> Absence:
    """Take an absence back: one that lasts ends now, one that is planned does not come. Conflict ``over``."""
    locked = Absence.objects.select_for_update(of=("self",), no_key=True).select_related("user").get(pk=absence.pk)
    can_end_absence(actor, locked).require()
    if locked.cancelled_at is not None or locked.ends_at <= now():
        raise Conflict("over", f"This absence of {locked.user.username} is over already.")
    locked.cancelled_at = now()
    locked.save(update_fields=["cancelled_at"])
    record(
        Actor.of(actor),
        "user.absence_ended",
        target=f"user/{locked.user.username}",
        summary=f"{locked.user.username} is not away from {locked.first_day} to {locked.last_day} after all",
        data=_facts(locked),
    )
    return locked


@transaction.atomic
def set_time_zone(actor: User, *, time_zone: str) -> User:
    """One's own time zone, by the name of the IANA list; empty: not told. Others see one's local time by it."""
    if time_zone and not is_zone(time_zone):
        raise InvalidInput("bad_time_zone", f"{time_zone[:60]} is no time zone of the list.", field="time_zone")
    user = User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    user.time_zone = time_zone
    user.save(update_fields=["time_zone"])
    record(
        Actor.of(actor),
        "user.preferences_changed",
        target=f"user/{user.username}",
        summary=f"Time zone of {user.username}: {time_zone or 'not told'}",
        data={"time_zone": time_zone},
    )
    return user


def _require_days(first_day: date, last_day: date, zone_name: str) -> None:
    if last_day < first_day:
        raise InvalidInput("bad_days", "The last day is before the first one.", field="last_day")
    if last_day - first_day > LONGEST:
        raise InvalidInput("bad_days", f"An absence has at most {LONGEST.days} days.", field="last_day")
    try:
        over = end_of(last_day, zone_name) <= now()
    except OverflowError:
        raise InvalidInput("bad_days", "This day is outside of the calendar.", field="last_day") from None
    if over:
        raise InvalidInput("bad_days", f"The last day is over already in {zone_name}.", field="last_day")


def _require_room(user: User, starts_at: datetime, ends_at: datetime) -> None:
    others = Absence.objects.not_over(now()).filter(user=user)
    clash = others.filter(starts_at__lt=ends_at, ends_at__gt=starts_at).first()
    if clash is not None:
        text = f"{user.username} is away from {clash.first_day} to {clash.last_day} already. Take that back first."
        raise Conflict("overlaps", text)
    if others.count() >= MOST:
        raise Conflict("too_many", f"At most {MOST} absences can be planned. Take one back first.")


def _require_deputy(user: User, deputy: User | None) -> None:
    if deputy is None:
        return
    if deputy.pk == user.pk:
        raise InvalidInput("bad_deputy", "Nobody stands in for themselves.", field="deputy")
    if not deputy.is_active or not deputy.is_human:
        raise InvalidInput("bad_deputy", f"{deputy.username} is no active person.", field="deputy")


def _facts(absence: Absence) -> dict[str, str | None]:
    return {
        "from": absence.first_day.isoformat(),
        "to": absence.last_day.isoformat(),
        "time_zone": absence.time_zone,
        "deputy": absence.deputy.username if absence.deputy else None,
    }
