"""Merges whose time has come: judged now, tried until their patience ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest, Revision
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.core.work import has_come
from apps.deployments import access
from apps.deployments.jobs.landing import FROZEN, MOVED
from apps.deployments.models import MergeIntent, MergeSchedule
from apps.deployments.services.merging import begin_merge
from apps.deployments.transitions import end_schedule

LOOK_AGAIN = timedelta(seconds=15)
Outcome = MergeSchedule.Outcome


def schedules_due(limit: int) -> list[int]:
    """Open schedules whose time has come, and those that cannot come any more."""
    moment = now()
    due = Q(at__lte=moment) | ~Q(change__status=Status.IN_REVIEW)
    rows = MergeSchedule.objects.open().filter(due, has_come("check_at", LOOK_AGAIN))
    return list(rows.order_by("at").values_list("pk", flat=True)[:limit])


@transaction.atomic
def merge_scheduled(pk: int) -> None:
    """One look at one schedule. Idempotent: the change is locked, and a schedule ends once: when its merge has landed, or cannot any more."""
    found = MergeSchedule.objects.open().select_related("change").filter(pk=pk).first()
    if found is None:
        return
    change = lock_change(found.change)
    row = MergeSchedule.objects.open().select_related("revision", "scheduled_by", "intent").filter(pk=pk).first()
    if row is None:
        return
    if change.status == Status.MERGING:
        _look_again(row)
    elif change.status != Status.IN_REVIEW:
        _end_with(row, change)
    elif (why := _given_back(row)) != "":
        end_schedule(row, Outcome.LAPSED, why)
    elif (moved := _moved(row, change)) != "":
        end_schedule(row, Outcome.LAPSED, f"{change.label} {moved} after it was scheduled. Schedule it again.")
    elif not (may := access.can_merge(row.scheduled_by, change)).allowed:
        end_schedule(row, Outcome.LAPSED, may.text)
    else:
        _try(row, change)


def _end_with(row: MergeSchedule, change: ChangeRequest) -> None:
    """The change has left review for good."""
    if row.intent is not None and row.intent.state == MergeIntent.State.LANDED:
        end_schedule(row, Outcome.MERGED)
    else:
        end_schedule(row, Outcome.OVERTAKEN, f"{change.label} is {change.status.replace('_', ' ')} already.")


def _given_back(row: MergeSchedule) -> str:
    """Why the merge that it began did not happen, if it is not to be tried again: others merged first, or the branch was frozen, which ends."""
    intent = row.intent
    if intent is None or intent.state != MergeIntent.State.RETURNED:
        return ""
    may_happen = intent.outcome.get("code") in {MOVED, FROZEN} and now() < row.until
    return "" if may_happen else str(intent.outcome.get("message") or "It was given back to review.")


def _look_again(row: MergeSchedule, at: datetime | None = None) -> None:
    MergeSchedule.objects.filter(pk=row.pk).update(check_at=at or now() + LOOK_AGAIN, intent=row.intent)


def _moved(row: MergeSchedule, change: ChangeRequest) -> str:
    """What the change is now is not what was scheduled, and why; a target branch that moved is no reason."""
    if change.revision is None or change.revision.head_oid != row.revision.head_oid:
        return "was pushed to"
    if change.revision.target_branch != row.revision.target_branch:
        return "was retargeted"
    later = change.revisions.filter(number__gt=row.revision.number)
    return "was withdrawn and reopened" if later.filter(cause=Revision.Cause.REOPENED).exists() else ""


def _try(row: MergeSchedule, change: ChangeRequest) -> None:
    try:
        with transaction.atomic():
            row.intent = begin_merge(row.scheduled_by, change)
    except (Conflict, NotAllowed, NotVisible) as refused:
        if now() >= row.until:
            end_schedule(row, Outcome.LAPSED, refused.message)
        else:
            _look_again(row, min(now() + LOOK_AGAIN, row.until))
    else:
        _look_again(row)
