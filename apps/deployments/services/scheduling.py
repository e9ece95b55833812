"""Doing it later: a merge or a deployment at a time that somebody chose, judged when that time has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.lifecycle import words
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.deployments import access
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, MergeSchedule
from apps.deployments.services.running import lock_deployment, note_act, require_defined
from apps.deployments.transitions import call_to_start, end_schedule

FARTHEST = timedelta(days=90)
DEFAULT_PATIENCE = timedelta(hours=1)
LONGEST_PATIENCE = timedelta(days=7)


@transaction.atomic
def schedule_merge(actor: User, *, change: ChangeRequest, at: datetime, until: datetime | None = None) -> MergeSchedule:
    """Merge ``change`` at ``at`` (aware), if its verdict allows then; tried until ``until`` (an hour later), then given up.

    For what the author wrote until now: a later push ends it, a moved target branch does not. An earlier schedule is
    replaced. :class:`InvalidInput` ``bad_time``; :class:`Conflict` ``wrong_state``.
    """
    locked = lock_change(change)
    access.require_merge(actor, locked)
    if locked.status != ChangeStatus.IN_REVIEW or locked.revision is None:
        message = f"{locked.label} is {words(locked.status)}; only a change in review can be scheduled."
        raise Conflict("wrong_state", message, status=locked.status)
    _check_time(at)
    end = until or at + DEFAULT_PATIENCE
    if not at < end <= at + LONGEST_PATIENCE:
        raise InvalidInput("bad_time", "Give up after the time of the merge, and at most 7 days later.", field="until")
    before = open_schedule(locked)
    if before is not None:
        end_schedule(before, MergeSchedule.Outcome.REPLACED)
    row = MergeSchedule.objects.create(
        change=locked,
        revision=locked.revision,
        at=at,
        until=end,
        scheduled_by=actor,
        created_at=now(),
    )
    _record(actor, locked, "merge.scheduled", f"scheduled the merge of {locked.label} for {_utc(at)}", row)
    return row


@transaction.atomic
def unschedule_merge(actor: User, *, change: ChangeRequest) -> MergeSchedule:
    """Take the schedule back: whoever may merge; :class:`Conflict` ``not_scheduled`` when there is none, or it merges already."""
    locked = lock_change(change)
    access.require_merge(actor, locked)
    if locked.status == ChangeStatus.MERGING:
        raise Conflict(
            "not_scheduled", f"{locked.label} is being merged already. Abort the merge, while it has not begun."
        )
    row = open_schedule(locked)
    if row is None or not end_schedule(row, MergeSchedule.Outcome.CANCELLED):
        raise Conflict("not_scheduled", f"No merge of {locked.label} is scheduled any more. Reload its page.")
    _record(actor, locked, "merge.unscheduled", f"took the scheduled merge of {locked.label} back", row)
    row.refresh_from_db()
    return row


@transaction.atomic
def schedule_deployment(actor: User, *, deployment: Deployment, at: datetime | None) -> Deployment:
    """Start a pending deployment by itself, not before ``at`` (aware); ``None``: it waits for a start by hand again.

    :class:`Conflict` ``not_defined`` where portal.yaml has no such environment any more; a schedule can be taken back there.
    """
    locked = lock_deployment(deployment)
    access.require_run(actor, locked)
    if locked.status != Status.PENDING:
        message = f"{locked.label} is {locked.status}; only what has not started can be scheduled. Reload its page."
        raise Conflict("wrong_state", message, status=locked.status)
    if at is None and locked.start_at is None:
        raise Conflict("not_scheduled", f"{locked.label} is not scheduled. Reload its page.")
    if at is not None:
        require_defined(locked.environment)
        _check_time(at)
    rows = Deployment.objects.filter(pk=locked.pk)
    rows.update(start_at=at, scheduled_by=actor if at else None, manual_start=at is None, waits=[], check_at=now())
    locked.refresh_from_db()
    call_to_start(locked.change)
    said = f"scheduled it for {_utc(at)}" if at else "took its schedule back"
    action = "deployment.scheduled" if at else "deployment.unscheduled"
    note_act(actor, locked, action, f"{actor.shown_name} {said}.", {"at": at.isoformat() if at else ""})
    return locked


def open_schedule(change: ChangeRequest) -> MergeSchedule | None:
    """The schedule that waits, if any."""
    return MergeSchedule.objects.open().filter(change=change).select_related("scheduled_by", "revision").first()


def _check_time(at: datetime) -> None:
    moment = now()
    if not moment < at <= moment + FARTHEST:
        raise InvalidInput("bad_time", "Choose a time that is still to come, at most 90 days ahead.", field="at")


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _record(actor: User, change: ChangeRequest, action: str, said: str, row: MergeSchedule) -> None:
    audit.record(
        Actor.of(actor),
        action,
        target=change.label,
        repository=change.repository.name,
        change=change.number,
        summary=f"{actor.username} {said}",
        data={"at": row.at.isoformat(), "until": row.until.isoformat(), "revision": row.revision.number},
    )
