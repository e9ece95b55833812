"""Keeping an environment for one's own deployments for a while, and taking such a lock over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.deployments import access
from apps.deployments.models import Environment, EnvironmentLock
from apps.deployments.queries.locks import lock_of
from apps.deployments.signals import environment_changed
from apps.deployments.transitions import wake_pending

DEFAULT = timedelta(hours=1)
LONGEST = timedelta(days=7)
LONGEST_REASON = 300


def lock_environment(
    actor: User, *, environment: Environment, reason: str, until: datetime | None = None
) -> EnvironmentLock:
    """Until ``until`` (aware; an hour from now) only ``actor``'s deployments start here, and roll-backs.

    What runs goes on. :class:`Conflict` ``locked`` names who holds it already; one's own is prolonged.
    """
    access.require_lock(actor, environment)
    end = _checked(reason, until)
    try:
        with transaction.atomic():
            held = lock_of(environment)
            if held is not None and held.holder_id != actor.pk:
                raise _taken(held)
            return _replace(actor, environment, held, reason, end, "environment.locked", "locked")
    except IntegrityError:
        held = lock_of(environment)
        if held is None:
            raise
        raise _taken(held) from None


@transaction.atomic
def take_over_lock(
    actor: User, *, environment: Environment, lock: int, reason: str, until: datetime | None = None
) -> EnvironmentLock:
    """Hold instead of whoever holds it now. ``lock`` is the key of the lock that was seen.

    So two people who take the same lock over do not take it from each other: :class:`Conflict` ``moved``.
    """
    access.require_lock(actor, environment)
    end = _checked(reason, until)
    rows = EnvironmentLock.objects.select_for_update(no_key=True, of=("self",)).select_related("holder")
    row = rows.filter(pk=lock, environment=environment, ended_at=None).first()
    if row is None:
        raise _moved(environment)
    did = f"took the lock over from {row.holder.username} on"
    return _replace(actor, environment, row, reason, end, "environment.lock_taken_over", did)


@transaction.atomic
def unlock_environment(actor: User, *, environment: Environment) -> None:
    """Let everybody deploy again. The holder and maintainers; :class:`Conflict` ``not_locked``."""
    row = lock_of(environment)
    if row is None:
        access.require_lock(actor, environment)
        raise Conflict("not_locked", f"{environment.name} is not locked.")
    access.require_unlock(actor, row)
    _end(environment, row)
    _record(actor, environment, "environment.unlocked", "unlocked", {"holder": row.holder.username})


def _checked(reason: str, until: datetime | None) -> datetime:
    moment = now()
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput("reason_missing", f"Say why, in at most {LONGEST_REASON} characters.", field="reason")
    end = until or moment + DEFAULT
    if not moment < end <= moment + LONGEST:
        raise InvalidInput("bad_time", "A lock ends in the future, at most 7 days from now.", field="until")
    return end


def _taken(held: EnvironmentLock) -> Conflict:
    who = held.holder.shown_name
    text = f"{held.environment.name} is locked by {who} until {held.until:%Y-%m-%d %H:%M} UTC: {held.reason}. Ask them, or take it over."
    return Conflict("locked", text, holder=held.holder.username, lock=held.pk)


def _replace(
    actor: User,
    environment: Environment,
    seen: EnvironmentLock | None,
    reason: str,
    until: datetime,
    action: str,
    did: str,
) -> EnvironmentLock:
    _end(environment, seen)
    row = EnvironmentLock.objects.create(
        environment=environment, holder=actor, reason=reason.strip(), since=now(), until=until
    )
    _record(actor, environment, action, did, {"until": until.isoformat(), "reason": row.reason})
    return row


def _end(environment: Environment, seen: EnvironmentLock | None) -> None:
    """The lock that was ``seen`` and no other, which somebody may have taken meanwhile; without one, what has run out."""
    rows = EnvironmentLock.objects.filter(environment=environment, ended_at=None)
    if seen is None:
        rows.filter(until__lte=now()).update(ended_at=now())
    elif not rows.filter(pk=seen.pk).update(ended_at=now()):
        raise _moved(environment)


def _moved(environment: Environment) -> Conflict:
    return Conflict("moved", f"{environment.name} is not locked as it was when you looked. Reload the page.")


def _record(actor: User, environment: Environment, action: str, did: str, data: dict[str, str]) -> None:
    audit.record(
        Actor.of(actor),
        action,
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"{actor.username} {did} {environment.name} of {environment.repository.name}",
        data=data,
    )
    wake_pending(environment.repository_id, environment=environment)
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=environment.pk))
