"""Carrying a claimed deployment on, one short look at a time.

The run itself belongs to the dispatcher and outlives this process. Each look takes the lease,
takes over what is new, and lets go; killed anywhere, the next look (here or in another worker)
finds the same rows and the same run. What was begun is never begun again: the dispatcher's
create-once mark decides, not our memory.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q

from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, PortalError, Unavailable
from apps.core.failpoints import failpoint
from apps.core.leases import lease_clock, lease_now
from apps.core.secrets import encrypt
from apps.core.work import has_come
from apps.deployments.dispatchers import Dispatcher, Progress, Refused, Run, RunState
from apps.deployments.dispatchers.local import runner_id
from apps.deployments.dispatchers.registry import dispatcher_of
from apps.deployments.jobs.claimed_runs import claim_run
from apps.deployments.jobs.claiming import ClaimedElsewhere
from apps.deployments.jobs.health import by_commands, is_over_time, is_watched, require_askable, watch
from apps.deployments.jobs.keeping import LONGEST_WAIT, keep
from apps.deployments.jobs.outcomes import end, end_cancelled, lose, outcome_of, tidy
from apps.deployments.jobs.planned import needs_plan, sealed_plan
from apps.deployments.jobs.recording import Recorder
from apps.deployments.jobs.rendered import needs_rendering, sealed_rendering
from apps.deployments.jobs.runs import run_of, secrets_for_steps
from apps.deployments.jobs.sending import (
    PUT_OFF,
    StartBroke,
    StartRefused,
    hold,
    pass_on,
    send,
    why_held,
)
from apps.deployments.jobs.silence import in_words, note_answer, note_silence, note_trouble
from apps.deployments.jobs.stopping import stopped
from apps.deployments.lifecycle import Event, Status
from apps.deployments.models import Attempt, Deployment
from apps.deployments.queries.connections import connection_for
from apps.deployments.queries.repeating import why_not_repeated
from apps.deployments.transitions import LeaseLost, end_deployment, move

log = structlog.get_logger(__name__)
ACTIVE = [str(Status.DISPATCHING), str(Status.RUNNING)]
REFRESH_FOLLOWED = timedelta(seconds=30)
REMOTE_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=20)
TURN = timedelta(seconds=2)
"""How long a quiet run may be looked at before others that are due; no write for each look, of which there are four a second."""
GIVE_UP_ON_RUNNER = timedelta(minutes=10)
LOG_WITHIN = timedelta(minutes=5)
"""How long the log of a run that is over is waited for: how it ended is known, and the environment is held until that is said."""


def starts_due(limit: int) -> list[int]:
    """Claimed deployments that are to be prepared and begun. It may take minutes, so it keeps no run waiting."""
    return _due(limit, Q(status=Status.DISPATCHING))


def runs_due(limit: int) -> list[int]:
    """Those that were begun, that nobody looks after right now and whose run this worker can see."""
    waits = Q(runner=runner_id(), followed_at__lte=lease_now() - REFRESH_FOLLOWED)
    which = ~by_commands() | Q(cancel_requested_by__isnull=False) | waits
    return _due(limit, Q(which, status=Status.RUNNING))


def watches_due(limit: int) -> list[int]:
    """Those of them whose health is asked by commands."""
    return _due(limit, Q(by_commands()))


def _due(limit: int, which: Q) -> list[int]:
    mine = Q(runner="") | Q(runner=runner_id()) | Q(followed_at__lte=lease_now() - GIVE_UP_ON_RUNNER)
    rows = Deployment.objects.filter(mine, which, has_come("check_at", LONGEST_WAIT), status__in=ACTIVE).unleased()
    return list(rows.order_by("check_at").values_list("pk", flat=True)[:limit])


def follow(pk: int) -> None:
    """One look at one deployment. What is asked by commands is left to :func:`ask_commands`, which may take minutes."""
    if _has_news(pk):
        _follow(pk)


def ask_commands(pk: int) -> None:
    """One look at one deployment whose health is asked by commands."""
    if vars(_load(pk))["is_by_commands"]:
        _follow(pk)


def _follow(pk: int) -> None:
    fence = Deployment.objects.claim(pk, seconds=settings.PORTAL_LEASE_SECONDS, status__in=ACTIVE)
    if fence is None:
        return
    try:
        with Deployment.objects.kept(pk, fence=fence, seconds=settings.PORTAL_LEASE_SECONDS):
            _look(_load(pk), fence)
    except LeaseLost:
        log.info("deployment_lease_lost", deployment=pk)
    except Conflict as problem:
        log.info("deployment_moved", deployment=pk, code=problem.code)
    except OperationalError:  # the database is away, or busy
        raise
    except Exception as problem:  # nobody foresaw it: the log has it whole, and who watches learns of it
        note_trouble(pk, fence, problem)
        raise
    finally:
        Deployment.objects.release(pk, fence=fence)


def _load(pk: int) -> Deployment:
    """With ``read_at``: the moment by the clock that ``followed_at`` was written with, whichever worker did that."""
    rows = Deployment.objects.select_related(
        "change", "change__rolls_back", "environment", "environment__repository", "cancel_requested_by"
    )
    read_at = ExpressionWrapper(lease_clock(), output_field=DateTimeField())
    return rows.annotate(read_at=read_at, is_by_commands=by_commands()).get(pk=pk)


def _unseen_for(deployment: Deployment) -> timedelta:
    """How long no worker has looked after it; for ever where none did."""
    read_at: datetime = vars(deployment)["read_at"]
    return read_at - deployment.followed_at if deployment.followed_at else timedelta.max


def _attempt_of(deployment: Deployment) -> Attempt:
    return deployment.attempt_rows.select_related("connection").get(number=deployment.attempts)


def _has_news(pk: int) -> bool:
    """A look at the run's files first: most looks find nothing, and then the database is left in peace."""
    deployment = _load(pk)
    if not _is_mine(deployment):
        return False
    if deployment.status != Status.RUNNING or deployment.cancel_requested_by_id is not None:
        return deployment.status in ACTIVE
    if vars(deployment)["is_by_commands"]:
        if deployment.runner == runner_id():  # it may wait for a thread for long, but its worker is not gone
            Deployment.objects.filter(pk=pk).update(followed_at=lease_now())
        return False
    if _unseen_for(deployment) > REFRESH_FOLLOWED:
        return True
    dispatcher = dispatcher_of(deployment.plan["via"])
    if dispatcher.capabilities.remote:
        return True  # asking it takes the lease: it is due only every few seconds
    attempt = _attempt_of(deployment)
    progress = dispatcher.observe(run_of(deployment, attempt, with_secrets=False))
    has_news = progress.state != RunState.RUNNING or Recorder.is_behind(attempt, progress)
    if not has_news:
        _give_way(deployment)
    return has_news


def _give_way(deployment: Deployment) -> None:
    """Behind the others that are due: of more than one sweep takes, all have their turn. Few write that once in a while."""
    moment, rows = now(), Deployment.objects.filter(pk=deployment.pk, check_at=deployment.check_at)
    if deployment.check_at is None or moment - deployment.check_at > TURN:
        rows.update(check_at=moment)


def _is_mine(deployment: Deployment) -> bool:
    """Whether this worker can see the run; of a worker that is gone for long, anybody reports the loss."""
    return deployment.runner in {"", runner_id()} or _unseen_for(deployment) >= GIVE_UP_ON_RUNNER


def _look(deployment: Deployment, fence: int) -> None:
    attempt, is_new = _attempt_of(deployment), deployment.status == Status.DISPATCHING
    if is_new:
        if deployment.cancel_requested_by is not None:
            with transaction.atomic():
                end_cancelled(deployment, fence, Progress(RunState.NOT_STARTED))
            return
        if not _is_claimed(deployment, attempt, fence):
            return
        try:
            _begin(deployment, attempt, fence)
        except Conflict:
            raise
        except (PortalError, OSError) as problem:
            _fail_before_start(deployment, fence, problem)
            return
        deployment = _load(deployment.pk)
    if deployment.runner in {"", runner_id()}:
        _go_on(deployment, attempt, fence, is_new=is_new)
    elif _is_mine(deployment):  # still: it may have been seen since it was found due
        lose(deployment, fence, "The worker whose disk holds this run has not been seen for ten minutes.")


def _is_claimed(deployment: Deployment, attempt: Attempt, fence: int) -> bool:
    """Whether this attempt is ours to begin; if not, what is known of it is written, or it is asked again later."""
    is_late = now() - attempt.started_at > PUT_OFF
    try:
        claim_run(deployment, attempt, fence)
    except ClaimedElsewhere as problem:
        lose(deployment, fence, problem.message)
    except Unavailable as problem:
        note_silence(deployment, attempt, fence, problem)
    except (PortalError, OSError) as problem:
        _fail_before_start(deployment, fence, problem)
    else:
        # What was noted of a host that did not answer is over, but that it was waited for, or for a worker.
        attempt.external_run = {"put_off": True} if is_late or attempt.external_run.get("silent_since") else {}
        return True
    return False


def _begin(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """Prepare, then write the intent (state running); what is written here may be dispatched, once."""
    _require_repeatable(deployment, attempt)
    require_askable(deployment, attempt)
    dispatcher = dispatcher_of(deployment.plan["via"])
    is_remote = dispatcher.capabilities.remote
    attempt.connection = connection_for(deployment.environment, deployment.plan)
    if needs_rendering(deployment):
        attempt.sealed_rendering = sealed_rendering(deployment, fence)
    elif needs_plan(deployment):
        attempt.sealed_rendering = sealed_plan(deployment)
    Attempt.objects.filter(pk=attempt.pk).update(has_workspace=not is_remote or bool(attempt.sealed_rendering))
    external = dispatcher.prepare(run_of(deployment, attempt, with_secrets=is_remote))
    attempt.sealed_secrets = "" if is_remote else _seal_secrets(deployment)
    with transaction.atomic():
        lock_change(deployment.change)
        _require_connection(deployment, attempt)
        attempt.external_run = {**attempt.external_run, **external}
        attempt.save(update_fields=["external_run", "sealed_secrets", "sealed_rendering", "connection"])
        move(
            deployment,
            Event.BEGIN,
            text=f"Attempt {attempt.number} runs {deployment.commit[:10]} via {deployment.plan['via']}.",
            fence=fence,
            runner=external.get("runner", ""),
            followed_at=lease_now(),
        )


def _require_connection(deployment: Deployment, attempt: Attempt) -> None:
    """Still the one that it was prepared for: preparing takes minutes, in which somebody may have removed or forbidden it."""
    found = connection_for(deployment.environment, deployment.plan)
    if (found and found.pk) != attempt.connection_id:
        text = f"{deployment.plan['raw'].get('connection')} is another connection since this start was prepared. Retry asks anew."
        raise Refused("connection_changed", text)


def _require_repeatable(deployment: Deployment, attempt: Attempt) -> None:
    """While it waited, something else may have run where this attempt leaves out what succeeded before."""
    problem = why_not_repeated(
        deployment, attempt=attempt.number, from_step=attempt.from_step, only_failed=attempt.only_failed
    )
    if problem:
        raise Refused("nothing_to_repeat", problem)


def _seal_secrets(deployment: Deployment) -> str:
    """The secrets of this attempt, frozen: what is replaced meanwhile is still masked in its log."""
    return encrypt(json.dumps(secrets_for_steps(deployment)))


def _fail_before_start(deployment: Deployment, fence: int, problem: Exception) -> None:
    """Preparing or starting failed. If it is certain that nothing runs it failed; else a person decides."""
    message = problem.message if isinstance(problem, PortalError) else f"The workspace cannot be written: {problem}"
    log.warning("deployment_not_started", deployment=deployment.number, problem=type(problem).__name__)
    deployment = _load(deployment.pk)
    if deployment.fence != fence:
        raise LeaseLost  # by now it may be another attempt, which is not to be stopped
    is_refused = isinstance(problem, StartRefused)
    certain = deployment.status == Status.DISPATCHING or is_refused or not _could_still_run(deployment)
    event = Event.FAIL if certain else Event.LOSE
    with transaction.atomic():
        end_deployment(deployment, event, text=message, problem=message, fence=fence)


def _could_still_run(deployment: Deployment) -> bool:
    """Forbid the start for good; True when it had begun."""
    attempt = _attempt_of(deployment)
    try:
        return dispatcher_of(deployment.plan["via"]).cancel(run_of(deployment, attempt, with_secrets=False))
    except (PortalError, OSError):
        return True


def _go_on(deployment: Deployment, attempt: Attempt, fence: int, *, is_new: bool) -> None:
    dispatcher = dispatcher_of(deployment.plan["via"])
    try:
        run, progress = _observed(deployment, attempt, dispatcher, fence, is_new=is_new)
    except (PortalError, OSError) as problem:
        _cannot_go_on(deployment, attempt, dispatcher, fence, problem)
        return
    progress = _as_it_was_asked(deployment, attempt, run, progress)
    if progress.external:
        keep(attempt, deployment, fence, **progress.external)
    recorder = Recorder(deployment, attempt, run, dispatcher, fence)
    is_complete = _taken_over(deployment, attempt, recorder, progress, fence)
    if is_complete is None:
        return
    goes_on = progress.state in {RunState.RUNNING, RunState.NOT_STARTED} or not is_complete
    if goes_on and not (attempt.health and is_over_time(deployment, attempt, fence)):
        _look_again(deployment, dispatcher, progress, fence, more=not is_complete)
    elif goes_on or _has_ended(deployment, attempt, progress, recorder, fence):
        failpoint("K14")
        tidy(attempt, dispatcher, run)


def _as_it_was_asked(deployment: Deployment, attempt: Attempt, run: Run, progress: Progress) -> Progress:
    """What was stopped here ended as it was stopped: by a person, or because it may not go on."""
    held = str(attempt.external_run.get("held") or "")
    if deployment.cancel_requested_by is not None and progress.state == RunState.NOT_STARTED:
        return replace(progress, state=RunState.LOST if run.is_sent else RunState.ENDED, outcome="cancelled")
    if deployment.cancel_requested_by is None and progress.state == RunState.ENDED and held:
        return replace(progress, outcome="failed", problem=held)
    return progress


def _taken_over(
    deployment: Deployment, attempt: Attempt, recorder: Recorder, progress: Progress, fence: int
) -> bool | None:
    """Whether all of it is taken over; ``None`` while a log cannot be had, which of a run that is over is waited for in vain only so long."""
    since = str(attempt.external_run.get("no_log_since") or "")
    is_over = progress.state in {RunState.ENDED, RunState.LOST}
    recorder.goes_without_log = is_over and bool(since) and now() - datetime.fromisoformat(since) > LOG_WITHIN
    try:
        is_complete = recorder.take_over(progress)
    except Unavailable as problem:
        if is_over and not since:
            keep(attempt, deployment, fence, no_log_since=now().isoformat())
        note_silence(deployment, attempt, fence, problem, may_end=False)
        return None
    if progress.state != RunState.NOT_STARTED or not recorder.dispatcher.capabilities.remote:
        note_answer(deployment, attempt, fence)
    return is_complete


def _has_ended(deployment: Deployment, attempt: Attempt, progress: Progress, recorder: Recorder, fence: int) -> bool:
    """The run is over: end the deployment with it, unless its health is still watched."""
    if is_watched(deployment) and outcome_of(progress, recorder) == "succeeded":
        return watch(deployment, attempt, progress, fence)
    end(deployment, progress, recorder, fence)
    return True


def _observed(
    deployment: Deployment, attempt: Attempt, dispatcher: Dispatcher, fence: int, *, is_new: bool
) -> tuple[Run, Progress]:
    """Start, stop, or do with a step what somebody asked for; then what is known, asked anew only if anything was done."""
    run = run_of(deployment, attempt, with_secrets=True)
    if deployment.cancel_requested_by is not None:
        return stopped(deployment, attempt, run, dispatcher, fence)
    progress = dispatcher.observe(run)
    if progress.state == RunState.NOT_STARTED:
        if why := why_held(deployment, attempt, run, is_new=is_new):
            return run, hold(deployment, attempt, run, dispatcher, progress, why, fence)
        send(deployment, attempt, run, dispatcher, fence)
    elif not pass_on(deployment, attempt, run, dispatcher, fence):
        return run, progress
    run = run_of(deployment, attempt, with_secrets=True)  # with what was just stored of it
    return run, dispatcher.observe(run)


def _look_again(deployment: Deployment, dispatcher: Dispatcher, progress: Progress, fence: int, *, more: bool) -> None:
    """When the next look is due, unless that was decided since this one began: somebody acted, or it is being asked slowly."""
    moment = now()
    is_at_once = more or not dispatcher.capabilities.remote
    pause = timedelta(0) if is_at_once else max(_pause(deployment, progress, moment), timedelta(0, progress.pause))
    rows = Deployment.objects.filter(pk=deployment.pk, fence=fence)
    rows.filter(check_at=deployment.check_at).update(check_at=moment + pause)
    rows.update(followed_at=lease_now())


def _pause(deployment: Deployment, progress: Progress, moment: datetime) -> timedelta:
    """Short while something happens there, the longer the longer nothing does: what is asked is counted, and refused in the end."""
    newest = deployment.events.order_by("-seq").values_list("at", flat=True).first()
    if progress.state == RunState.NOT_STARTED or newest is None:  # the next look does the next part of the work
        return REMOTE_PAUSE
    return min(max((moment - newest) / 8, REMOTE_PAUSE), LONGEST_PAUSE)


def _cannot_go_on(
    deployment: Deployment, attempt: Attempt, dispatcher: Dispatcher, fence: int, problem: PortalError | OSError
) -> None:
    """A start that was refused, or broke here, ends the attempt.

    Any other refusal, and a file that cannot be read now, says nothing about what runs: it is asked again, and nothing is
    stopped for it.
    """
    if isinstance(problem, (Unavailable, OSError)) and not isinstance(problem, (StartRefused, StartBroke)):
        note_silence(deployment, attempt, fence, in_words(problem))
        return
    _fail_before_start(deployment, fence, problem)
    if isinstance(problem, StartRefused):  # what was prepared over there is for a start that will not come
        tidy(attempt, dispatcher, run_of(deployment, attempt, with_secrets=True))
