"""From pending to dispatching: what holds a deployment is judged at the moment it would start."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from apps.audit import services as audit
from apps.changes.transitions import lock_all, lock_pair
from apps.core.clock import now
from apps.core.errors import Conflict, PortalError
from apps.core.work import has_come
from apps.deployments import plans
from apps.deployments.access import can_run
from apps.deployments.jobs.defects import defect_words
from apps.deployments.lifecycle import Event, Status
from apps.deployments.models import (
    Attempt,
    Deployment,
    DriftWatch,
    Environment,
    GateAlong,
    Step,
    waits_for_start_only,
)
from apps.deployments.queries import Look, Wait, goes_back, live_successor, look_at
from apps.deployments.transitions import (
    attempt_key,
    call_to_start,
    end_deployment,
    move,
    note_emergency,
    say,
    tell_places,
)

LOOK_AGAIN = timedelta(seconds=15)
"""What could end a wait wakes the engine; this is for what nobody told us (roles, windows, lost notices)."""
LOOK_RARELY = timedelta(minutes=2)
"""At what waits for nothing but a person who presses Start, which wakes the engine: there may be hundreds."""
NOT_JUDGED = "not_judged"


def deployments_due(limit: int) -> list[int]:
    """Pending deployments whose next look is due, the one that has waited for it longest first: none starves however many there are.

    Which one is first in its environment is judged at the look.
    """
    rows = Deployment.objects.filter(has_come("check_at", LOOK_RARELY), status=Status.PENDING)
    return list(rows.order_by(F("check_at").asc(nulls_first=True), "number").values_list("pk", flat=True)[:limit])


def start(pk: int) -> None:
    """Judge the waits of one pending deployment; claim its environment when nothing holds it."""
    try:
        with transaction.atomic():
            _judge(pk)
    except IntegrityError:
        # Somebody claimed the environment between our look and our write: the constraint is the lock.
        Deployment.objects.filter(pk=pk, status=Status.PENDING).update(check_at=now() + timedelta(seconds=1))
    except Conflict:
        return  # another worker or a person was faster; the row tells the rest
    except PortalError as problem:  # such as a Git that takes too long
        _note_not_judged(pk, problem.message)
    except OperationalError:  # the database is away, or busy
        raise
    except Exception as problem:  # nobody foresaw it: the log has it whole, and who waits learns of it
        _note_not_judged(pk, defect_words("start_failed_here", pk, problem))
        raise


def _note_not_judged(pk: int, message: str) -> None:
    """It waits for its next look, and not for a turn: what comes after it goes on meanwhile."""
    deployment = _pending(pk)
    if deployment is not None:
        with transaction.atomic():
            _hold(deployment, [Wait(NOT_JUDGED, f"What it waits for cannot be told now: {message} It is tried again.")])


def _judge(pk: int) -> None:
    found = _ready(pk, calls=True)
    if found is None:
        return
    # It would start: judged again where nobody can take anything away until that is written.
    # Locks in the order of everybody else (ADR 26): change, deployment, environment, its watch, log.
    deployment, look = found
    known = {deployment.change_id, *(change.pk for change in look.urgent)}
    lock_all([*known, deployment.change.rolls_back_id])
    Deployment.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if not plans.has_pipeline(deployment.plan):  # it ends here, and may be live then
        Environment.objects.select_for_update(no_key=True).filter(pk=deployment.environment_id).first()
    # Where there is nothing to run, which is known only then, its end lets the environment be looked at for drift.
    DriftWatch.objects.select_for_update(no_key=True).filter(environment=deployment.environment_id).first()
    audit.hold_log()
    found = _ready(pk, calls=False)
    if found is not None and known.issuperset(change.pk for change in found[1].urgent):  # else it is looked at again
        _start(*found)


def _ready(pk: int, *, calls: bool) -> tuple[Deployment, Look] | None:
    """A pending deployment that nothing holds, as it was seen; what holds one is written, and then there is none."""
    deployment = _pending(pk)
    if deployment is None or _is_scheduled_by_nobody(deployment):
        return None
    look = look_at(deployment)
    if look.waits:
        _hold(deployment, look.waits, calls=calls)
        return None
    return deployment, look


def _start(deployment: Deployment, look: Look) -> None:
    """Nothing holds it, and the log is held: take the environment, or end at once where there is nothing to run."""
    successor = None if goes_back(deployment) else live_successor(deployment)
    if look.gate is not None and look.gate.is_by_emergency:
        note_emergency(deployment.change, deployment.environment.name)
    for change in look.urgent:
        note_emergency(change, deployment.environment.name)
    _claim(deployment, look)
    if successor is not None:
        _end_without_running(
            deployment,
            f"Nothing to run: {deployment.environment.name} already runs {successor.commit[:10]} "
            f"({successor.label}), which contains this change.",
            becomes_live=False,
        )
    elif not plans.has_pipeline(deployment.plan):
        _end_without_running(
            deployment,
            f"Nothing to run: .gitops/portal.yaml defines no pipeline for {deployment.environment.name}. "
            "The merged commit is recorded as what is live there.",
        )


def _is_scheduled_by_nobody(deployment: Deployment) -> bool:
    """Whether who scheduled it may not start it any more: then it waits for somebody who may, and that is told."""
    scheduler = deployment.scheduled_by
    if deployment.start_at is None or scheduler is None or can_run(scheduler, deployment).allowed:
        return False
    rows = Deployment.objects.filter(pk=deployment.pk, status=Status.PENDING, start_at=deployment.start_at)
    if rows.update(start_at=None, scheduled_by=None, manual_start=True, check_at=now()):
        say(
            deployment,
            f"{scheduler.shown_name}, who scheduled it, may not deploy here any more. Somebody who may presses Start.",
        )
        tell_places(deployment)
    return True


def _pending(pk: int) -> Deployment | None:
    rows = Deployment.objects.select_related(
        "change",
        "change__repository",
        "environment",
        "environment__repository",
        "environment__live_deployment",
        "scheduled_by",
    )
    return rows.filter(pk=pk, status=Status.PENDING).first()


def _hold(deployment: Deployment, waits: Sequence[Wait], *, calls: bool = True) -> None:
    """Write what it waits for. ``calls``: also who is called to press Start; not behind the log, where the next look does it."""
    found = [wait.to_dict() for wait in waits]
    is_rare = waits_for_start_only(found)
    calls = calls and (is_rare or waits_for_start_only(deployment.waits))
    if calls:
        lock_pair(deployment.change)  # before the row of the deployment (ADR 26)
    soon = now() + (LOOK_RARELY if is_rare else LOOK_AGAIN)
    scheduled = deployment.start_at
    columns: dict[str, object] = {"check_at": min(soon, scheduled) if scheduled and scheduled > now() else soon}
    if found != deployment.waits:
        columns["waits"] = found
        say(deployment, " ".join(wait.text for wait in waits), waits=found)
        tell_places(deployment)
    Deployment.objects.filter(pk=deployment.pk, status=Status.PENDING).update(**columns)
    if calls:
        call_to_start(deployment.change)


def _claim(deployment: Deployment, look: Look) -> None:
    """Take the environment's lock and write the attempt with its gates and its steps, all in one transaction."""
    number, moment = deployment.attempts + 1, now()
    move(
        deployment,
        Event.CLAIM,
        text=f"Attempt {number} starts; {deployment.environment.name} is locked for it.",
        waits=[],
        attempts=number,
        started_at=moment,
        latest_at=moment,
        runner="",
        check_at=moment,
        lease_until=None,
        data={"attempt": number},
    )
    attempt = Attempt.objects.create(
        deployment=deployment,
        number=number,
        key=attempt_key(deployment),
        claim_nonce=secrets.token_hex(16),
        from_step=deployment.retry_from,
        only_failed=deployment.retry_only_failed,
        verdict=look.gate.judged.to_stored() if look.gate is not None else {},
        started_at=moment,
    )
    GateAlong.objects.bulk_create(
        GateAlong(attempt=attempt, change=change, verdict=gate.judged.to_stored()) for change, gate in look.along
    )
    Step.objects.bulk_create(
        Step(
            attempt=attempt,
            position=position,
            name=step.name[:80],
            status=Step.Status.SKIPPED if position < deployment.retry_from else Step.Status.WAITING,
        )
        for position, step in enumerate(plans.planned_steps(deployment.plan))
    )


def _end_without_running(deployment: Deployment, text: str, *, becomes_live: bool = True) -> None:
    move(deployment, Event.BEGIN, text="There is nothing to run.", action="")
    end_deployment(deployment, Event.SUCCEED, text=text, becomes_live=becomes_live)
