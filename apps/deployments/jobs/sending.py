"""Asking another system to start a run: once, whatever is killed or lost on the way (RELIABILITY §3.5, K13).

Before the request goes out ``sent`` is committed. After that it is never sent again, unless the
other system recognises the key or certainly did not get it. An answer that was lost is looked for
there; what is not found within :data:`dispatchers.LOOK_FOR` seconds is *unknown*, and a person decides.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from django.db import DatabaseError, transaction

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.core.failpoints import failpoint
from apps.core.work import pause_after
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
from apps.deployments.models import Attempt, Connection, Deployment
from apps.deployments.queries import waits_of
from apps.deployments.transitions import LeaseLost, say

log = structlog.get_logger(__name__)
PUT_OFF = timedelta(seconds=10)
TURNS = frozenset({"lock", "superseded", "soak"})
"""Waits for a turn that this deployment, which holds the environment, has taken; what came to the one before it since is not its affair."""
STUCK_AFTER = timedelta(minutes=15)


class StartRefused(Refused):
    """The request to start was answered no, and no earlier one may have arrived: certainly nothing runs."""


def why_held(deployment: Deployment, attempt: Attempt, run: Run) -> str:
    """Why a start that was put off, a request that is to be repeated, or a plan that is to be applied may not go on; empty: it may.

    What was open when it was claimed may be closed by now. What another system answered once has begun, and goes on.
    """
    if run.external.get("answered") or now() - attempt.started_at < PUT_OFF:
        return ""
    return " ".join(wait.text for wait in waits_of(deployment) if wait.code not in TURNS)


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
    try:
        answer = dispatcher.dispatch(run)
        failpoint("K13")
    except (NotSent, Refused, InDoubt) as problem:
        _take_failure(deployment, attempt, run, fence, problem)
        return
    if attempt.connection_id:
        Connection.objects.filter(pk=attempt.connection_id).update(last_used_at=now())
    if dispatcher.capabilities.remote:
        keep(attempt, deployment, fence, answered=True, **answer)


def _take_failure(deployment: Deployment, attempt: Attempt, run: Run, fence: int, problem: Unavailable) -> None:
    """What is certain of this request is certain of the run only if no earlier one of its key may have arrived."""
    is_certain = not isinstance(problem, InDoubt) and not run.is_sent
    if is_certain and isinstance(problem, Refused):
        raise StartRefused(problem.code, problem.message) from problem
    log.warning("dispatch_not_answered", deployment=deployment.number, code=problem.code, certain=is_certain)
    if is_certain:
        keep(attempt, deployment, fence, sent="")
    note_silence(deployment, attempt, fence, problem)


def pass_on(deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int) -> bool:
    """Tell the other system what people asked for with single steps; each wish is taken off before it goes out.

    Whether there was any.
    """
    was_any = False
    for step in attempt.steps.exclude(asked=""):
        wish, text = step.asked, f"Step {step.name}: {step.asked} was passed on."
        if not attempt.steps.filter(pk=step.pk, asked=wish).update(asked=""):
            continue
        was_any = True
        try:
            cast("ActsOnSteps", dispatcher).act(run, step.key, wish)
        except Unavailable as problem:
            text = f"Step {step.name}: {wish} may not have arrived. {problem.message}"
        with transaction.atomic():
            say(deployment, text, attempt=attempt.number, fence=fence)
    return was_any


def keep(attempt: Attempt, deployment: Deployment, fence: int, /, **facts: Any) -> None:
    """Store what is known of the run outside; :class:`LeaseLost` when somebody newer owns it."""
    with transaction.atomic():
        held = Deployment.objects.select_for_update(no_key=True).filter(pk=deployment.pk, fence=fence)
        if not held.exists():
            raise LeaseLost
        attempt.external_run = {**attempt.external_run, **facts}
        attempt.save(update_fields=["external_run"])


def note_silence(deployment: Deployment, attempt: Attempt, fence: int, problem: Unavailable) -> None:
    """The run cannot be looked at: said once, tried again ever more slowly and not before it was told to, never dropped.

    Who acted since this look began is not kept waiting by it.
    """
    known = attempt.external_run
    since = str(known.get("silent_since") or now().isoformat())
    silences = int(known.get("silences", 0)) + 1
    is_stuck = now() - datetime.fromisoformat(since) > STUCK_AFTER
    pause = max(pause_after(silences), float(problem.details.get("retry_after", 0)))
    with transaction.atomic():
        if not known.get("silent_since"):
            say(
                deployment,
                f"{problem.message} It is tried again; what is shown is what was known before.",
                attempt=attempt.number,
                fence=fence,
            )
        elif is_stuck and not known.get("stuck"):
            say(
                deployment,
                f"For a quarter of an hour now: {problem.message} Somebody has to look.",
                attempt=attempt.number,
                fence=fence,
            )
        keep(attempt, deployment, fence, silent_since=since, silences=silences, stuck=is_stuck)
        rows = Deployment.objects.filter(pk=deployment.pk, fence=fence)
        rows.filter(check_at=deployment.check_at).update(check_at=now() + timedelta(seconds=pause))
        rows.update(followed_at=now())


def note_answer(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """It can be looked at again."""
    if attempt.external_run.get("silent_since"):
        with transaction.atomic():
            keep(attempt, deployment, fence, silent_since="", silences=0, stuck=False)
            text = (
                "The portal looks after it again."
                if attempt.connection_id is None
                else "The other system answers again."
            )
            say(deployment, text, attempt=attempt.number, fence=fence)


def note_trouble(pk: int, fence: int, problem: Exception) -> None:
    """An error of the portal's own ended a look: told like a silence, for nobody reads logs while they watch a page."""
    deployment = Deployment.objects.get(pk=pk)
    attempt = deployment.attempt_rows.get(number=deployment.attempts)
    text = (
        f"The portal cannot look after this run: an error of its own ({type(problem).__name__}), which is in its log."
    )
    with suppress(LeaseLost, DatabaseError):
        note_silence(deployment, attempt, fence, Unavailable("look_failed", text))
