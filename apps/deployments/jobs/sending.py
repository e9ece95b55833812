"""Asking another system to start a run: once, whatever is killed or lost on the way (RELIABILITY §3.5, K13).

Before the request goes out ``sent`` is committed. After that it is never sent again, unless the
other system recognises the key or certainly did not get it. An answer that was lost is looked for
there; what is not found within :data:`dispatchers.LOOK_FOR` seconds is *unknown*, and a person decides.
Questions come before the request, and take their time: directly before it the lease is renewed, so who was overtaken sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import transaction

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.core.failpoints import failpoint
from apps.core.waiting import only_if
from apps.deployments.dispatchers import (
    ActsOnSteps,
    Dispatcher,
    InDoubt,
    NotSent,
    Progress,
    Refused,
    Run,
    RunState,
    StepState,
)
from apps.deployments.jobs.keeping import keep
from apps.deployments.jobs.silence import note_silence
from apps.deployments.models import Attempt, Connection, Deployment, Step
from apps.deployments.queries import waits_of
from apps.deployments.transitions import say

log = structlog.get_logger(__name__)
PUT_OFF = timedelta(seconds=10)
ASKED_EVERY = timedelta(seconds=5)
"""How exactly it is kept when something was last asked for."""
TURNS = frozenset({"lock", "superseded", "soak"})
"""Waits for a turn that this deployment, which holds the environment, has taken; what came to the one before it since is not its affair."""
LOCKED = "locked"
"""A lock that somebody took since is for what comes after it, too, where this look prepared it and it had not to be put off."""


class StartRefused(Refused):
    """The request to start was answered no, and no earlier one may have arrived: certainly nothing runs."""


class StartBroke(Unavailable):
    """A start on this machine went wrong in the middle."""


def why_held(deployment: Deployment, attempt: Attempt, run: Run, *, is_new: bool) -> str:
    """Why a start that was put off, a request that is to be repeated, or a plan that is to be applied may not go on; empty: it may.

    What was open when it was claimed may be closed by now. What another system answered once has begun, and goes on.
    ``is_new``: this very look prepared it.
    """
    if run.external.get("answered") or now() - attempt.started_at < PUT_OFF:
        return ""
    was_put_off = run.external.get("silent_since") or run.external.get("put_off")
    passed = TURNS | {LOCKED} if is_new and not was_put_off else TURNS
    return " ".join(wait.text for wait in waits_of(deployment) if wait.code not in passed)


def hold(
    deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, progress: Progress, why: str, fence: int
) -> Progress:
    """What becomes of it: :class:`StartRefused` while it is certain that nothing began, and Retry asks anew.

    A request that nobody answered may run, so a person decides. What waits here for its next part is told to stop, and
    followed to its end.
    """
    if run.is_sent:
        text = f"Nobody knows whether the request arrived, and by now it may not be sent again. {why}"
        return Progress(RunState.LOST, problem=text)
    if all(step.state == StepState.WAITING for step in progress.steps):
        raise StartRefused("held", f"It was never sent, and by now it may not start any more. {why}")
    dispatcher.cancel(run)
    keep(attempt, deployment, fence, held=f"It was planned, not applied: by now it may not go on. {why}")
    return replace(progress, state=RunState.RUNNING)


def send(deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int) -> None:
    """Send the request once. :class:`StartRefused` is raised when it is certain that nothing was started."""
    if dispatcher.capabilities.remote:
        keep(attempt, deployment, fence, sent=run.external.get("sent") or now().isoformat())
        failpoint("K13S")
    try:
        answer = _dispatched(deployment, attempt, run, dispatcher, fence)
        failpoint("K13")
    except (NotSent, Refused, InDoubt) as problem:
        _take_failure(deployment, attempt, run, fence, problem)
        return
    if attempt.connection_id:
        Connection.objects.filter(pk=attempt.connection_id).update(last_used_at=now())
    if dispatcher.capabilities.remote:
        keep(attempt, deployment, fence, answered=True, **answer)


def _dispatched(
    deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int
) -> Mapping[str, Any]:
    is_remote = dispatcher.capabilities.remote

    def still_ours() -> None:
        known = attempt.external_run
        if is_remote and now() - datetime.fromisoformat(known.get("asked") or known["sent"]) > ASKED_EVERY:
            keep(attempt, deployment, fence, asked=now().isoformat())
        Deployment.objects.hold(deployment.pk, fence=fence, seconds=settings.PORTAL_LEASE_SECONDS)

    try:
        with only_if(still_ours):
            return dispatcher.dispatch(run)
    except (NotSent, Refused, InDoubt):
        raise
    except (Unavailable, OSError) as problem:
        if is_remote:
            raise
        text = problem.message if isinstance(problem, Unavailable) else f"The workspace cannot be written: {problem}"
        raise StartBroke("not_started", text) from problem


def _take_failure(deployment: Deployment, attempt: Attempt, run: Run, fence: int, problem: Unavailable) -> None:
    """What is certain of this request is certain of the run only if no earlier one of its key may have arrived."""
    is_certain = not isinstance(problem, InDoubt) and not run.is_sent
    if is_certain and isinstance(problem, Refused):
        raise StartRefused(problem.code, problem.message) from problem
    log.warning("dispatch_not_answered", deployment=deployment.number, code=problem.code, certain=is_certain)
    if is_certain:
        keep(attempt, deployment, fence, sent="")
    note_silence(deployment, attempt, fence, problem, may_end=False)


def pass_on(deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int) -> bool:
    """Tell the other system what people asked for with single steps; each wish is taken off before it goes out.

    Whether there was any. What a worker took off and never told the end of is told by the next one.
    """
    if attempt.external_run.get("passing"):
        text = f"{attempt.external_run['passing']} may not have arrived: the portal was interrupted there. Ask again."
        _note_passed(deployment, attempt, fence, text)
    was_any = False
    for step in attempt.steps.exclude(asked=""):
        what = f"Step {step.name}: {step.asked}"
        if not _taken_off(deployment, attempt, step, what, fence):
            continue
        was_any, text = True, f"{what} was passed on."
        try:
            cast("ActsOnSteps", dispatcher).act(run, step.key, step.asked)
            failpoint("K13P")
        except Unavailable as problem:
            text = f"{what} may not have arrived. {problem.message}"
        _note_passed(deployment, attempt, fence, text)
    return was_any


def _taken_off(deployment: Deployment, attempt: Attempt, step: Step, what: str, fence: int) -> bool:
    """Whether the wish is still that; then from here on it is not passed on again, whatever becomes of us."""
    with transaction.atomic():
        keep(attempt, deployment, fence, passing=what)
        if not attempt.steps.filter(pk=step.pk, asked=step.asked).update(asked=""):
            keep(attempt, deployment, fence, passing="")
            return False
        say(deployment, f"{what} is being passed on.", attempt=attempt.number, fence=fence)
    return True


def _note_passed(deployment: Deployment, attempt: Attempt, fence: int, text: str) -> None:
    with transaction.atomic():
        say(deployment, text, attempt=attempt.number, fence=fence)
        keep(attempt, deployment, fence, passing="")
