"""The only code that writes a deployment's status: compare-and-swap, numbered event, audit entry, signals."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.audit.actors import SYSTEM, Actor
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.leases import LeaseLost
from apps.core.work import request_work
from apps.deployments.lifecycle import ENDED, HOLDS_LOCK, Event, Status, next_status
from apps.deployments.models import Deployment, DeploymentEvent
from apps.deployments.signals import environment_changed
from apps.deployments.transitions.calling import call_people
from apps.deployments.transitions.events import store_event

AT_ONCE = 20
"""Looks that one event asks for; hundreds would keep all other short work waiting."""
ACTIONS: dict[Event, str] = {
    Event.CLAIM: "deployment.started",
    Event.BEGIN: "deployment.dispatched",
    Event.SUCCEED: "deployment.succeeded",
    Event.FAIL: "deployment.failed",
    Event.CANCEL: "deployment.cancelled",
    Event.LOSE: "deployment.unknown",
    Event.RETRY: "deployment.retried",
}


def move(
    deployment: Deployment,
    event: Event,
    *,
    text: str,
    actor: Actor = SYSTEM,
    fence: int | None = None,
    action: str = "",
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> Status:
    """Take ``event`` if the row still is as ``deployment`` says; writes ``changes`` with it.

    :class:`Conflict` ``lost_race`` when it moved meanwhile, :class:`LeaseLost` when ``fence`` is
    no longer valid. Must be called inside a transaction that holds the change (ADR 26).
    """
    status = next_status(deployment.status, event)
    rows = Deployment.objects.filter(pk=deployment.pk, status=deployment.status)
    if fence is not None:
        rows = rows.filter(fence=fence)
    if status in ENDED:
        changes.setdefault("ended_at", now())
    if not rows.update(status=status, last_event=F("last_event") + 1, **changes):
        _raise_lost(deployment, fence)
    deployment.refresh_from_db()
    store_event(
        deployment,
        deployment.last_event,
        kind=DeploymentEvent.Kind.STATE,
        attempt=deployment.attempts,
        text=text,
        data={"status": str(status), **(data or {})},
    )
    call_people(deployment, status)  # rows, so before the log
    _record(deployment, actor, action or ACTIONS.get(event, ""), text)
    _wake(deployment, status)
    return status


def _raise_lost(deployment: Deployment, fence: int | None) -> None:
    if fence is not None and not Deployment.objects.filter(pk=deployment.pk, fence=fence).exists():
        raise LeaseLost
    raise Conflict(
        "lost_race",
        f"{deployment.label} moved on while you looked. Reload the page to see its present state.",
        deployment=deployment.number,
    )


def _record(deployment: Deployment, actor: Actor, action: str, text: str) -> None:
    if not action:
        return
    change = deployment.change
    audit.record(
        actor,
        action,
        target=deployment.label,
        repository=deployment.environment.repository.name,
        change=change.number,
        environment=deployment.environment.name,
        deployment=deployment.number,
        summary=f"{deployment.label} ({change.label} to {deployment.environment.name}): {text}",
        data={"status": deployment.status, "commit": deployment.commit, "attempt": deployment.attempts},
    )


def _wake(deployment: Deployment, status: Status) -> None:
    """Tell the engine and the pages what this makes possible."""
    tell_places(deployment)
    if status == Status.PENDING:
        request_work("deployments.start", deployment.pk)
    elif status in HOLDS_LOCK:
        request_work("deployments.begin" if status == Status.DISPATCHING else "deployments.follow", deployment.pk)
    else:
        wake_pending(deployment.environment.repository_id)


def tell_places(deployment: Deployment) -> None:
    """The board and the page of the change show something else of it, once the transaction has committed."""
    places = {"environment_id": deployment.environment_id, "change_id": deployment.change_id}
    transaction.on_commit(lambda: environment_changed.send(sender=None, **places))


def wake_pending(repository_id: int, **only: Any) -> None:
    """Have the waits of the pending deployments of a repository judged again: of the oldest at once, of what is left by the next sweeps.

    Rows are locked before the log, and the log may be held here: a row that somebody has locked is not waited for. Whoever judges
    it under that lock sees what is committed here before the log is theirs; whoever does not is asked again, as all are.
    """
    pending = Deployment.objects.filter(environment__repository_id=repository_id, status=Status.PENDING, **only)
    with transaction.atomic():
        free = pending.select_for_update(no_key=True, skip_locked=True, of=("self",))
        Deployment.objects.filter(pk__in=list(free.values_list("pk", flat=True))).update(check_at=now())
    for pk in pending.order_by("number").values_list("pk", flat=True)[:AT_ONCE]:
        request_work("deployments.start", pk)
