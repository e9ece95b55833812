"""Carrying a claimed deployment on, one short look at a time.

The run itself belongs to the dispatcher and outlives this process. Each look takes the lease,
takes over what is new, and lets go; killed anywhere, the next look (here or in another worker)
finds the same rows and the same run. What was begun is never begun again: the dispatcher's
create-once mark decides, not our memory.
"""

from __future__ import annotations

import json
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apps.core.clock import now
from apps.core.errors import Conflict, PortalError
from apps.core.secrets import decrypt, encrypt
from apps.deployments import plans
from apps.deployments.dispatchers import Dispatcher, Progress, Run, RunState
from apps.deployments.dispatchers.local import runner_id
from apps.deployments.dispatchers.registry import dispatcher_of
from apps.deployments.jobs.recording import Recorder
from apps.deployments.lifecycle import Event, Status
from apps.deployments.models import Attempt, Deployment, EnvironmentSecret
from apps.deployments.transitions import LeaseLost, end_deployment, move

log = structlog.get_logger(__name__)
ACTIVE = [str(Status.DISPATCHING), str(Status.RUNNING)]
REFRESH_FOLLOWED = timedelta(seconds=30)
GIVE_UP_ON_RUNNER = timedelta(minutes=10)


def runs_due(limit: int) -> list[int]:
    """Claimed deployments that nobody looks after right now and whose run this worker can see."""
    moment = now()
    mine = Q(runner="") | Q(runner=runner_id()) | Q(followed_at__lte=moment - GIVE_UP_ON_RUNNER)
    rows = Deployment.objects.filter(mine, status__in=ACTIVE).unleased(moment).exclude(check_at__gt=moment)
    return list(rows.order_by("check_at").values_list("pk", flat=True)[:limit])


def follow(pk: int) -> None:
    """One look at one deployment."""
    if not _has_news(pk):
        return
    fence = Deployment.objects.claim(pk, seconds=settings.PORTAL_LEASE_SECONDS, status__in=ACTIVE)
    if fence is None:
        return
    try:
        _look(_load(pk), fence)
    except LeaseLost:
        log.info("deployment_lease_lost", deployment=pk)
    except Conflict as problem:
        log.info("deployment_moved", deployment=pk, code=problem.code)
    finally:
        Deployment.objects.release(pk, fence=fence)


def _load(pk: int) -> Deployment:
    return Deployment.objects.select_related(
        "change", "change__rolls_back", "environment", "environment__repository", "cancel_requested_by"
    ).get(pk=pk)


def _has_news(pk: int) -> bool:
    """A look at the run's files first: most looks find nothing, and then the database is left in peace."""
    deployment = _load(pk)
    if not _is_mine(deployment):
        return False
    if deployment.status != Status.RUNNING or deployment.cancel_requested_by_id is not None:
        return deployment.status in ACTIVE
    if deployment.followed_at is None or now() - deployment.followed_at > REFRESH_FOLLOWED:
        return True
    attempt = deployment.attempt_rows.get(number=deployment.attempts)
    run = run_of(deployment, attempt, with_secrets=False)
    progress = dispatcher_of(deployment.plan["via"]).observe(run)
    return progress.state != RunState.RUNNING or Recorder.is_behind(attempt, progress)


def _is_mine(deployment: Deployment) -> bool:
    """Whether this worker can see the run; of a worker that is gone for long, anybody reports the loss."""
    if deployment.runner in {"", runner_id()}:
        return True
    return deployment.followed_at is None or now() - deployment.followed_at >= GIVE_UP_ON_RUNNER


def _look(deployment: Deployment, fence: int) -> None:
    attempt = deployment.attempt_rows.get(number=deployment.attempts)
    if deployment.status == Status.DISPATCHING:
        if deployment.cancel_requested_by is not None:
            with transaction.atomic():
                _end_cancelled(deployment, fence, Progress(RunState.NOT_STARTED))
            return
        try:
            _begin(deployment, attempt, fence)
        except Conflict:
            raise
        except (PortalError, OSError) as problem:
            _fail_before_start(deployment, fence, problem)
            return
        deployment = _load(deployment.pk)
    if deployment.runner != runner_id():
        _lose(deployment, fence, "The worker whose disk holds this run has not been seen for ten minutes.")
        return
    _go_on(deployment, attempt, fence)


def _begin(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """Prepare, then write the intent (state running); what is written here may be dispatched, once."""
    dispatcher = dispatcher_of(deployment.plan["via"])
    Attempt.objects.filter(pk=attempt.pk).update(has_workspace=True)
    external = dispatcher.prepare(run_of(deployment, attempt, with_secrets=False))
    attempt.sealed_secrets = _seal_secrets(deployment)
    with transaction.atomic():
        move(
            deployment,
            Event.BEGIN,
            text=f"Attempt {attempt.number} runs {deployment.commit[:10]} via {deployment.plan['via']}.",
            fence=fence,
            runner=external.get("runner", ""),
            followed_at=now(),
        )
        attempt.external_run = external
        attempt.save(update_fields=["external_run", "sealed_secrets"])


def _seal_secrets(deployment: Deployment) -> str:
    """The secrets of this attempt, frozen: what is replaced meanwhile is still masked in its log."""
    rows = EnvironmentSecret.objects.filter(
        environment=deployment.environment_id, used_for=EnvironmentSecret.Use.DEPLOY
    )
    return encrypt(json.dumps({row.name: decrypt(row.value) for row in rows}))


def _fail_before_start(deployment: Deployment, fence: int, problem: Exception) -> None:
    """Preparing or starting failed. If it is certain that nothing runs it failed; else a person decides."""
    message = problem.message if isinstance(problem, PortalError) else f"The workspace cannot be written: {problem}"
    log.warning("deployment_not_started", deployment=deployment.number, problem=type(problem).__name__)
    deployment = _load(deployment.pk)
    certain = deployment.status == Status.DISPATCHING or not _could_still_run(deployment)
    event = Event.FAIL if certain else Event.LOSE
    with transaction.atomic():
        end_deployment(deployment, event, text=message, problem=message, fence=fence)


def _could_still_run(deployment: Deployment) -> bool:
    """Forbid the start for good; True when it had begun."""
    attempt = deployment.attempt_rows.get(number=deployment.attempts)
    try:
        return dispatcher_of(deployment.plan["via"]).cancel(run_of(deployment, attempt, with_secrets=False))
    except (PortalError, OSError):
        return True


def _go_on(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    dispatcher = dispatcher_of(deployment.plan["via"])
    try:
        run = run_of(deployment, attempt, with_secrets=True)
        if deployment.cancel_requested_by is not None:
            dispatcher.cancel(run)
        elif dispatcher.observe(run).state == RunState.NOT_STARTED:
            dispatcher.dispatch(run)
    except (PortalError, OSError) as problem:
        _fail_before_start(deployment, fence, problem)
        return
    progress = dispatcher.observe(run)
    recorder = Recorder(deployment, attempt, run, dispatcher, fence)
    is_complete = recorder.take_over(progress)
    if progress.state in {RunState.RUNNING, RunState.NOT_STARTED} or not is_complete:
        Deployment.objects.filter(pk=deployment.pk, fence=fence).update(followed_at=now(), check_at=now())
    else:
        _end(deployment, progress, recorder, fence)
        tidy(attempt, dispatcher, run)


def _end(deployment: Deployment, progress: Progress, recorder: Recorder, fence: int) -> None:
    """The run is over and all that it printed is stored."""
    if progress.state == RunState.LOST and deployment.cancel_requested_by is None:
        _lose(deployment, fence, "The run was interrupted, and nobody can say how far its last step came.")
        return
    failure = recorder.failure(progress)
    with transaction.atomic():
        if failure is None and recorder.all_succeeded(progress):
            text = f"{deployment.environment.name} runs {deployment.commit[:10]}."
            end_deployment(deployment, Event.SUCCEED, text=text, fence=fence)
        elif failure is not None and failure.reason != "cancelled":
            end_deployment(deployment, Event.FAIL, text=failure.text, problem=failure.text, fence=fence,
                           data={"step": failure.step})  # fmt: skip
        elif progress.state == RunState.LOST:
            text = "It was cancelled, and nobody can say how far its last step came."
            end_deployment(deployment, Event.LOSE, text=text, problem=text, fence=fence)
        else:
            _end_cancelled(deployment, fence, progress)


def _end_cancelled(deployment: Deployment, fence: int, progress: Progress) -> None:
    """Say what was applied: steps that had finished are not undone by cancelling."""
    names = [str(step["name"]) for step in deployment.plan["steps"]]
    ended = [(name, step) for name, step in zip(names, progress.steps, strict=False) if step.ended]
    applied = [name for name, step in ended if step.reason == "exited" and step.exit_code == 0]
    stopped = [name for name, step in ended if name not in applied]
    who = deployment.cancel_requested_by.shown_name if deployment.cancel_requested_by else "Somebody"
    parts = [f"{who} cancelled it."]
    parts.append(f"Already applied: {', '.join(applied)}." if applied else "No step had finished.")
    if stopped:
        parts.append(f"Stopped in the middle: {', '.join(stopped)}.")
    end_deployment(
        deployment, Event.CANCEL, text=" ".join(parts), fence=fence, data={"applied": applied, "stopped": stopped}
    )


def _lose(deployment: Deployment, fence: int, why: str) -> None:
    text = f"{why} Somebody who may deploy looks at {deployment.environment.name} and decides how it ended."
    with transaction.atomic():
        end_deployment(deployment, Event.LOSE, text=text, problem=why, fence=fence)


def tidy(attempt: Attempt, dispatcher: Dispatcher, run: Run) -> None:
    """Remove the workspace of a run that is over; one with unknown outcome is kept for who decides."""
    outcome = Attempt.objects.values_list("outcome", flat=True).get(pk=attempt.pk)
    if outcome and outcome != Status.UNKNOWN:
        dispatcher.discard(run)
        Attempt.objects.filter(pk=attempt.pk).update(has_workspace=False, sealed_secrets="")


def run_of(deployment: Deployment, attempt: Attempt, *, with_secrets: bool) -> Run:
    environment = deployment.environment
    sealed = attempt.sealed_secrets if with_secrets else ""
    return Run(
        key=attempt.key,
        deployment=deployment.number,
        attempt=attempt.number,
        git_dir=environment.repository.mirror_path,
        commit=deployment.commit,
        steps=plans.planned_steps(deployment.plan),
        from_step=attempt.from_step,
        environment={
            "PORTAL_REPOSITORY": environment.repository.name,
            "PORTAL_ENVIRONMENT": environment.name,
            "PORTAL_CHANGE": deployment.change.label,
            "PORTAL_COMMIT": deployment.commit,
            "PORTAL_DEPLOYMENT": str(deployment.number),
            "PORTAL_ATTEMPT": str(attempt.number),
            "PORTAL_KIND": deployment.kind,
        },
        secrets=json.loads(decrypt(sealed)) if sealed else {},
        external=attempt.external_run,
    )
