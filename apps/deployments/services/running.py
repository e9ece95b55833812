"""Starting, stopping, repeating and judging deployments."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import transitions as changes
from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.work import request_work
from apps.deployments import access
from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.lifecycle import HOLDS_LOCK, Event, Status
from apps.deployments.models import Deployment, Environment, Step
from apps.deployments.queries.deploying import deployable, require_none_under_way
from apps.deployments.queries.repeating import REPEATABLE, why_not_repeated
from apps.deployments.queries.rolled_back import taken_back_text
from apps.deployments.transitions import (
    call_to_start,
    create_deployment,
    end_deployment,
    move,
    say,
    tell_places,
)


def lock_deployment(deployment: Deployment) -> Deployment:
    """The row as it is now, locked until the transaction ends, behind its change and the one that this rolls back."""
    changes.lock_pair(deployment.change)
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("change", "change__repository", "environment", "environment__repository").get(
        pk=deployment.pk
    )


@transaction.atomic
def start_deployment(actor: User, *, change: ChangeRequest, environment: str) -> Deployment:
    """Ask for ``change`` in ``environment``; when it waits there for a start by hand, this starts it.

    :class:`Conflict` ``already_pending`` with its number when one is under way, ``not_merged``,
    ``other_branch`` (only the default branch is deployed), ``not_defined_then`` (its commit has no such environment),
    ``superseded`` (something newer is live);
    :class:`InvalidInput` ``unknown_environment`` names those that exist.
    """
    locked = lock_change(change)
    access.require_deploy(actor, locked)
    wanted = deployable(locked, environment)
    if locked.status == ChangeStatus.DONE:
        changes.resume(locked, actor=Actor.of(actor))
    return create_deployment(
        actor,
        change=locked,
        environment=wanted.environment,
        config=wanted.config,
        kind=wanted.kind,
        started_by_hand=True,
    )


def require_defined(environment: Environment) -> None:
    """:class:`Conflict` ``not_defined`` where portal.yaml has no such environment any more."""
    if not environment.defined:
        name = environment.name
        message = (
            f"portal.yaml defines no environment {name} any more, so nothing starts there. Define {name} again first."
        )
        raise Conflict("not_defined", message, environment=name)


@transaction.atomic
def release(actor: User, *, deployment: Deployment) -> Deployment:
    """Start a deployment that waits for a start by hand; everything else it waits for still holds. ``not_defined`` as for :func:`retry`."""
    locked = lock_deployment(deployment)
    access.require_run(actor, locked)
    require_defined(locked.environment)
    if locked.status != Status.PENDING or not locked.manual_start:
        raise Conflict(
            "wrong_state",
            f"{locked.label} is {locked.status} and does not wait for a start by hand. Reload its page.",
            status=locked.status,
        )
    Deployment.objects.filter(pk=locked.pk).update(manual_start=False, check_at=now(), waits=[])
    locked.refresh_from_db()
    call_to_start(locked.change)
    note_act(actor, locked, "deployment.requested", f"{actor.shown_name} pressed Start.")
    request_work("deployments.start", locked.pk)
    return locked


@transaction.atomic
def cancel(actor: User, *, deployment: Deployment) -> Deployment:
    """Cancel: at once while pending; while it runs the step is told to stop and the end tells what was applied."""
    locked = lock_deployment(deployment)
    access.require_run(actor, locked)
    if locked.status == Status.PENDING:
        text = f"{actor.shown_name} cancelled it before anything ran."
        end_deployment(locked, Event.CANCEL, text=text, actor=Actor.of(actor))
        return locked
    if locked.status not in HOLDS_LOCK - {Status.UNKNOWN}:
        raise Conflict(
            "wrong_state", f"{locked.label} is {locked.status}; there is nothing to cancel.", status=locked.status
        )
    via = locked.plan["via"]
    if not capabilities_of(via).cancel:
        text = f"The portal cannot stop what runs via {via}. Stop it there: {locked.label} follows."
        raise Conflict("not_cancellable", text)
    if locked.cancel_requested_by_id is not None:
        raise Conflict("already_cancelling", f"{locked.label} is being cancelled already. Watch it on its page.")
    Deployment.objects.filter(pk=locked.pk).update(cancel_requested_by=actor, check_at=now())
    locked.refresh_from_db()
    text = f"{actor.shown_name} asked to cancel; the step that runs is told to stop."
    note_act(actor, locked, "deployment.cancel_requested", text)
    request_work("deployments.follow", locked.pk)
    return locked


@transaction.atomic
def retry(
    actor: User, *, deployment: Deployment, from_step: int | None = None, only_failed: bool = False
) -> Deployment:
    """A new attempt of the same intent, from step ``from_step`` (0 is the first; default: all of them).

    ``only_failed``: in the run of the attempt before, what failed there is done again, and what succeeded is not; every
    other attempt starts in a fresh checkout. :class:`Conflict` ``nothing_to_repeat`` where what would be left out never
    ran, or something else ran in the environment since; ``not_defined`` where portal.yaml has no such environment any more;
    ``rolled_back`` where a roll-back has landed that keeps it from starting. What holds a deployment is judged again first.
    """
    taken_back = taken_back_text(deployment)  # before the lock: it asks Git
    locked = lock_deployment(deployment)
    access.require_run(actor, locked)
    require_defined(locked.environment)
    if locked.status in REPEATABLE and taken_back:
        raise Conflict("rolled_back", taken_back)
    _require_sense(locked, from_step, only_failed=only_failed)
    start = from_step or 0
    if locked.status in REPEATABLE:
        require_none_under_way(locked.change, locked.environment)
        _require_repeatable(locked, start, only_failed=only_failed)
    if locked.change.status == ChangeStatus.DONE:
        changes.resume(locked.change, actor=Actor.of(actor))
    moment = now()
    move(
        locked,
        Event.RETRY,
        text=f"{actor.shown_name} asked for a new attempt{_whereof(locked, start, only_failed=only_failed)}.",
        actor=Actor.of(actor),
        data={"from_step": start, "only_failed": only_failed},
        problem="",
        cancel_requested_by=None,
        manual_start=False,
        start_at=None,
        waits=[],
        retry_from=start,
        retry_only_failed=only_failed,
        ended_at=None,
        queued_at=moment,
        latest_at=moment,
        check_at=moment,
    )
    return locked


def _require_sense(deployment: Deployment, from_step: int | None, *, only_failed: bool) -> None:
    """``InvalidInput`` ``unknown_step`` and ``bad_retry``."""
    count = len(deployment.plan["steps"])
    if from_step is not None and not 0 <= from_step < max(1, count):
        raise InvalidInput(
            "unknown_step", f"There is no step {from_step}; steps go from 0 to {count - 1}.", field="from_step"
        )
    if only_failed and from_step is not None:
        message = "A new attempt begins at a step, or does again only what failed: choose one of the two."
        raise InvalidInput("bad_retry", message, field="only_failed")


def _require_repeatable(deployment: Deployment, start: int, *, only_failed: bool) -> None:
    problem = why_not_repeated(deployment, attempt=deployment.attempts + 1, from_step=start, only_failed=only_failed)
    if problem:
        raise Conflict("nothing_to_repeat", problem)


def _whereof(deployment: Deployment, start: int, *, only_failed: bool) -> str:
    if only_failed:
        return " of what failed"
    return f" from step {deployment.plan['steps'][start]['name']}" if start else ""


@transaction.atomic
def act_on_step(actor: User, *, deployment: Deployment, step: int, action: str) -> Step:
    """Ask the other system to do something with one step of the present attempt: what the step offers, nothing else.

    It is passed on with the next look, once. :class:`Conflict` ``not_offered`` when the step does not offer it now.
    """
    locked = lock_deployment(deployment)
    access.require_run(actor, locked)
    rows = Step.objects.select_for_update(no_key=True, of=("self",))
    row = rows.filter(attempt__deployment=locked, attempt__number=locked.attempts, position=step).first()
    if row is None:
        raise InvalidInput("unknown_step", f"{locked.label} has no step {step} in its present attempt.", field="step")
    if locked.status != Status.RUNNING or action not in row.offers:
        raise Conflict("not_offered", f"Step {row.name} does not offer {action!r} now. Reload the page.")
    Step.objects.filter(pk=row.pk).update(asked=action)
    Deployment.objects.filter(pk=locked.pk).update(check_at=now())
    text = f"{actor.shown_name} asked to {action} the step {row.name}."
    note_act(actor, locked, "deployment.step_asked", text, {"step": row.name, "action": action})
    request_work("deployments.follow", locked.pk)
    return row


@transaction.atomic
def resolve(actor: User, *, deployment: Deployment, outcome: str, reason: str) -> Deployment:
    """A person says how a deployment with unknown outcome ended; the portal never guesses."""
    locked = lock_deployment(deployment)
    access.require_resolve(actor, locked)
    events = {"succeeded": Event.SUCCEED, "failed": Event.FAIL}
    if outcome not in events:
        raise InvalidInput("bad_outcome", "The outcome is 'succeeded' or 'failed'.", field="outcome")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say how you know: the record keeps it.", field="reason")
    if locked.status != Status.UNKNOWN:
        raise Conflict(
            "wrong_state", f"{locked.label} is {locked.status}; there is nothing to decide.", status=locked.status
        )
    end_deployment(
        locked,
        events[outcome],
        text=f"{actor.shown_name} decided that it {outcome}: {reason.strip()[:400]}",
        problem=reason.strip() if outcome == "failed" else "",
        actor=Actor.of(actor),
        action="deployment.resolved",
        data={"reason": reason.strip()[:1000]},
    )
    return locked


def note_act(
    actor: User, deployment: Deployment, action: str, text: str, data: dict[str, object] | None = None
) -> None:
    """What somebody did to a deployment that did not move it: for who watches, and on record."""
    say(deployment, text, attempt=deployment.attempts)
    tell_places(deployment)
    audit.record(
        Actor.of(actor),
        action,
        target=deployment.label,
        repository=deployment.environment.repository.name,
        change=deployment.change.number,
        environment=deployment.environment.name,
        deployment=deployment.number,
        summary=f"{deployment.label}: {text}",
        data=data,
    )
