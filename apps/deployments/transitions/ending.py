"""The end of a deployment, and what follows from it in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.audit.actors import SYSTEM, Actor
from apps.changes import transitions as changes
from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.lifecycle import HOLDS_LOCK, Event, Status
from apps.deployments.models import Attempt, Deployment, DriftWatch, Environment, Step
from apps.deployments.transitions.moving import move

OPEN_STEPS = [Step.Status.WAITING, Step.Status.RUNNING]
REST_OF_STEPS: dict[Event, tuple[str, str]] = {
    # event: what becomes of a step that runs, and of one that waits
    Event.SUCCEED: (Step.Status.SUCCEEDED, Step.Status.SKIPPED),
    Event.FAIL: (Step.Status.FAILED, Step.Status.SKIPPED),
    Event.CANCEL: (Step.Status.CANCELLED, Step.Status.SKIPPED),
    Event.LOSE: (Step.Status.UNKNOWN, Step.Status.SKIPPED),
}


def end_deployment(
    deployment: Deployment,
    event: Event,
    *,
    text: str,
    problem: str = "",
    actor: Actor = SYSTEM,
    fence: int | None = None,
    action: str = "",
    data: dict[str, Any] | None = None,
    becomes_live: bool = True,
) -> None:
    """End the present attempt and the deployment with it; a success also moves the environment on.

    ``becomes_live``: False when something newer that contains it is live already.
    Inside a transaction. ``LOSE`` ends the attempt but not the deployment: a person decides.
    """
    changes.lock_pair(deployment.change)
    if event == Event.SUCCEED and becomes_live:
        _take_as_live(deployment)  # a row, so before the entry that the move records (ADR 26), as is the next
    if deployment.status in HOLDS_LOCK:
        DriftWatch.objects.look_soon(deployment)
    running, waiting = REST_OF_STEPS[event]
    attempt = Attempt.objects.filter(deployment=deployment, number=deployment.attempts).first()
    if attempt is not None:
        attempt.steps.filter(status=Step.Status.RUNNING).update(status=running, ended_at=now())
        attempt.steps.filter(status=Step.Status.WAITING).update(status=waiting)
    status = move(
        deployment,
        event,
        text=text,
        actor=actor,
        fence=fence,
        action=action,
        data=data,
        problem=problem[:500],
        lease_until=None,
        check_at=None,
    )
    if attempt is not None:
        attempt.outcome = str(status)
        attempt.ended_at = now()
        attempt.save(update_fields=["outcome", "ended_at"])
    if status == Status.SUCCEEDED:
        _finish_change(deployment.change)


def cancel_undone(rows: Iterable[Deployment], *, by: ChangeRequest, actor: Actor) -> None:
    """What waits of the changes that ``by`` just took back would bring them again, unless somebody was faster; all are locked."""
    for row in rows:
        row.refresh_from_db(fields=["status"])
        if row.status == Status.PENDING:
            text = f"Cancelled before anything ran: {by.label} rolled {row.change.label} back."
            end_deployment(row, Event.CANCEL, text=text, actor=actor)


def _take_as_live(deployment: Deployment) -> None:
    """What it replaces was live, too: a worker of an older version does not say that of what it ended."""
    replaced = Environment.objects.filter(pk=deployment.environment_id).values("live_deployment")
    rows = Deployment.objects.filter(Q(pk=deployment.pk) | Q(pk__in=replaced), became_live=False)
    rows.update(became_live=True)
    deployment.became_live = True
    Environment.objects.filter(pk=deployment.environment_id).update(
        live_commit=deployment.commit, live_deployment=deployment, live_since=now()
    )


def _finish_change(change: ChangeRequest) -> None:
    """``done`` once the newest deployment to every environment that was due has succeeded."""
    change.refresh_from_db()
    if change.status != ChangeStatus.MERGED or not all_succeeded(change):
        return
    changes.finish(change, actor=SYSTEM)
    undone = change.rolls_back
    if undone is not None and undone.status == ChangeStatus.MERGED:
        reason = f"Rolled back by {change.label}."
        entry = changes.Entry(
            "change.completed", f"{undone.label} is done: {reason}", {"rolled_back_by": change.number}
        )
        changes.finish(undone, actor=SYSTEM, reason=reason, entry=entry)


def all_succeeded(change: ChangeRequest) -> bool:
    """Whether the newest deployment of ``change`` to each of its environments succeeded."""
    return not without_success(change.pk).exists()


def without_success(change: int | OuterRef) -> QuerySet[Deployment]:
    """Those that are the newest of ``change`` (its key) to their environment, and did not succeed."""
    rows = Deployment.objects.filter(change=change).exclude(status=Status.SUCCEEDED)
    newer = Deployment.objects.filter(
        change=OuterRef("change"), environment=OuterRef("environment"), number__gt=OuterRef("number")
    )
    return rows.filter(~Exists(newer))
