"""Telling a run to stop because a person asked for it, and looking at it whatever comes of that.

A system that refuses to stop a run does not hide it: the refusal is said once, asked for again ever more slowly, and the run
is followed meanwhile. It is silent (``jobs.silence``) only where the look fails, too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.core.work import pause_after
from apps.deployments.dispatchers import Dispatcher, Progress, Run, RunState
from apps.deployments.jobs.keeping import keep
from apps.deployments.jobs.runs import run_of
from apps.deployments.jobs.silence import STUCK_AFTER, in_words
from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import say


def stopped(
    deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int
) -> tuple[Run, Progress]:
    """What is known of the run once it was told to stop, or refused that.

    A refusal is raised where nothing has begun: then it would be wrong to say that now it never will.
    """
    known = attempt.external_run
    is_due = not known.get("stop_again") or now() >= datetime.fromisoformat(known["stop_again"])
    refusal = _refusal(run, dispatcher) if is_due else Unavailable("not_stopped", str(known["stop_refused"]))
    run = run_of(deployment, attempt, with_secrets=True)
    progress = dispatcher.observe(run)
    if refusal is not None and progress.state == RunState.NOT_STARTED:
        raise refusal
    if is_due:
        _note(deployment, attempt, fence, refusal)
    if refusal is not None and dispatcher.capabilities.only_told and progress.state == RunState.RUNNING:
        progress = _given_up(attempt, progress, refusal)
    return run, progress


def _given_up(attempt: Attempt, progress: Progress, refusal: Unavailable) -> Progress:
    """Where nobody can look, a stop that is refused for a quarter of an hour is all that is known: a person decides."""
    since = attempt.external_run.get("stop_refused_since")
    if not since or now() - datetime.fromisoformat(str(since)) <= STUCK_AFTER:
        return progress
    text = f"It was to be cancelled, and for a quarter of an hour it could not be told: {refusal.message}"
    return replace(progress, state=RunState.LOST, problem=text)


def _refusal(run: Run, dispatcher: Dispatcher) -> Unavailable | None:
    try:
        dispatcher.cancel(run)
    except (Unavailable, OSError) as problem:
        return in_words(problem)
    return None


def _note(deployment: Deployment, attempt: Attempt, fence: int, refusal: Unavailable | None) -> None:
    known = attempt.external_run
    if refusal is None:
        if known.get("stop_refused"):
            keep(attempt, deployment, fence, stop_refused="", stop_refused_since="", stop_again="", stop_refusals=0)
        return
    refusals = int(known.get("stop_refusals") or 0) + 1
    pause = max(pause_after(refusals), refusal.details.get("retry_after", 0))
    with transaction.atomic():
        if not known.get("stop_refused"):
            text = f"It could not be told to stop: {refusal.message} It goes on, and is asked again."
            say(deployment, text, attempt=attempt.number, fence=fence)
        keep(
            attempt, deployment, fence, stop_refused=refusal.message[:500], stop_refusals=refusals,
            stop_again=(now() + timedelta(seconds=pause)).isoformat(),
            stop_refused_since=known.get("stop_refused_since") or now().isoformat(),
        )  # fmt: skip
