"""Asking a person: to write a backlog request in Git, or to review a change."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.absences import back_on
from apps.accounts.models import User
from apps.accounts.queries import absences_at
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
from apps.reviews.models import Assignment
from apps.reviews.transitions import mark_stale


@transaction.atomic
def assign(actor: User, *, change: ChangeRequest, user: User, reason: str = "") -> Assignment:
    """Ask ``user`` to write the change (while it is a backlog request) or to review it.

    The person must be able to do it: write or review in the repository, and for a
    review not be a contributor. Asking the same person twice is a conflict.
    """
    locked = lock_change(change)
    access.can_assign(actor, locked).require_or_conflict()
    duty = Assignment.Duty.WRITE if locked.status == Status.REQUESTED else Assignment.Duty.REVIEW
    require_able(user, locked, duty)
    if duty == Assignment.Duty.REVIEW and actor.pk != user.pk:
        _require_willing(user, locked)
    if Assignment.objects.filter(change=locked, user=user, duty=duty, ended_at=None).exists():
        raise Conflict("already_assigned", f"{user.username} was already asked to {duty} {locked.label}.")
    if duty == Assignment.Duty.WRITE:
        Assignment.objects.filter(change=locked, duty=duty, ended_at=None).update(
            ended_at=now(), ending=Assignment.Ending.SWAPPED
        )
        changes.set_owner(locked, user)
    row = Assignment.objects.create(
        change=locked,
        user=user,
        duty=duty,
        origin=Assignment.Origin.PERSON,
        reason=(reason.strip() or f"{actor.username} asked")[:500],
        assigned_by=actor,
        created_at=now(),
    )
    audit.record(
        Actor.of(actor),
        "change.assigned",
        repository=locked.repository.name,
        change=locked.number,
        target=user.username,
        summary=f"{actor.username} asked {user.username} to {duty} {locked.label}",
        data={"user": user.username, "duty": str(duty), "reason": row.reason},
    )
    mark_stale(locked)
    return row


@transaction.atomic
def unassign(actor: User, *, change: ChangeRequest, user: User) -> None:
    """Take back that ``user`` was asked; the person may do that too."""
    locked = lock_change(change)
    if actor.pk != user.pk:
        access.can_assign(actor, locked).require_or_conflict()
    rows = list(Assignment.objects.filter(change=locked, user=user, ended_at=None))
    if not rows:
        raise Conflict("not_assigned", f"{user.username} is not asked for anything on {locked.label}.")
    for row in rows:
        end(row, Assignment.Ending.WITHDRAWN, f"{actor.username} took the request back")
        if row.duty == Assignment.Duty.WRITE:
            changes.set_owner(locked, None)
    audit.record(
        Actor.of(actor),
        "change.unassigned",
        repository=locked.repository.name,
        change=locked.number,
        target=user.username,
        summary=f"{actor.username} no longer asks {user.username} on {locked.label}",
        data={"user": user.username},
    )
    mark_stale(locked)


def require_able(user: User, change: ChangeRequest, duty: str, *, field: str = "user") -> None:
    """InvalidInput ``unknown_user``, ``not_able``, ``away``: nobody is asked who cannot do it, or is not here."""
    repository = change.repository
    if not user.is_active or not repositories.can_see(user, repository).allowed:
        raise InvalidInput("unknown_user", f"{user.username} cannot see {repository.name}.", field=field)
    if duty == Assignment.Duty.WRITE:
        able = repositories.can_write(user, repository)
    else:
        able = access.can_approve(user, change)
        if able.allowed:
            able = repositories.can_review(user, repository)
    if not able.allowed:
        raise InvalidInput("not_able", f"{user.username} cannot {duty} {change.label}: {able.text}", field=field)
    absence = absences_at(now()).get(user.pk) if duty == Assignment.Duty.REVIEW else None
    if absence is not None:
        deputy = f" {absence.deputy.username} stands in." if absence.deputy else ""
        back = back_on(absence.ends_at, absence.time_zone, now())
        raise InvalidInput("away", f"{user.username} is away until {back}.{deputy}", field=field)


def _require_willing(user: User, change: ChangeRequest) -> None:
    said = Assignment.objects.filter(change=change, user=user, ending=Assignment.Ending.DECLINED).last()
    if said is not None:
        text = f"{user.username} {said.ended_reason}. Only {user.username} can take that back."
        raise InvalidInput("declined", text, field="user")
