"""A run that cannot be looked at: it is asked again, people are called, and in the end a person decides.

Nothing is dropped for it (RELIABILITY §3.5). But what never answers again holds its environment, and only what is *unknown* can be
decided by a person: so it becomes that when its time is over, or when somebody asked for its end and nobody answers.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, Unavailable
from apps.core.leases import lease_now
from apps.core.work import pause_after
from apps.deployments.dispatchers import LOOK_FOR
from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.jobs.keeping import LONGEST_WAIT, keep
from apps.deployments.jobs.outcomes import lose
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import LeaseLost, call_about_silence, end_call_about_silence, say

STUCK_AFTER = timedelta(minutes=15)
PUT_OFF_FOR = timedelta(hours=2)
"""How long who says when to come again is waited for, whatever time is over meanwhile: what allows no more for now counts by the hour."""


def note_silence(
    deployment: Deployment, attempt: Attempt, fence: int, problem: Unavailable, *, may_end: bool = True
) -> None:
    """The run cannot be looked at: said once, tried again ever more slowly and not before it was told to, never dropped.

    Who acted since this look began is not kept waiting by it. With ``may_end`` it may become *unknown*.
    """
    since = datetime.fromisoformat(str(attempt.external_run.get("silent_since") or now().isoformat()))
    is_put_off = "retry_after" in problem.details and now() - since < PUT_OFF_FOR
    why = _why_given_up(deployment, attempt, now() - since, is_put_off=is_put_off) if may_end else ""
    if why:
        lose(deployment, fence, f"{why} {problem.message}")
        return
    _ask_again(deployment, attempt, fence, problem, since)


def _ask_again(deployment: Deployment, attempt: Attempt, fence: int, problem: Unavailable, since: datetime) -> None:
    known = attempt.external_run
    silences = int(known.get("silences", 0)) + 1
    is_stuck = now() - since > STUCK_AFTER
    is_new = is_stuck and not known.get("stuck")
    pause = max(timedelta(seconds=pause_after(silences)), timedelta(seconds=problem.details.get("retry_after", 0)))
    with transaction.atomic():
        if is_new:
            lock_change(deployment.change)  # its people are called
        text = _words(problem, is_first=not known.get("silent_since"), is_stuck=is_new)
        if text:
            say(deployment, text, attempt=attempt.number, fence=fence)
        keep(
            attempt, deployment, fence, silent_since=since.isoformat(), silences=silences, stuck=is_stuck,
            silence=problem.message[:500],
        )  # fmt: skip
        if is_new:
            call_about_silence(deployment, problem.message)
        rows = Deployment.objects.filter(pk=deployment.pk, fence=fence)
        rows.filter(check_at=deployment.check_at).update(check_at=now() + min(pause, LONGEST_WAIT))
        rows.update(followed_at=lease_now())


def _words(problem: Unavailable, *, is_first: bool, is_stuck: bool) -> str:
    if is_first:
        return f"{problem.message} It is tried again; what is shown is what was known before."
    return f"For a quarter of an hour now: {problem.message} Somebody has to look." if is_stuck else ""


def _why_given_up(deployment: Deployment, attempt: Attempt, silent: timedelta, *, is_put_off: bool) -> str:
    """Why it is not asked again; empty while it is. One request that failed is no silence."""
    if deployment.status != Status.RUNNING or silent.total_seconds() < LOOK_FOR:
        return ""
    if deployment.cancel_requested_by_id is not None and silent > STUCK_AFTER:
        return "It was to be cancelled, and for a quarter of an hour nobody could look at it."
    if is_put_off:  # it may have ended well in time, and soon it can be asked
        return ""
    if attempt.health:
        within = float(deployment.plan["health"]["within_seconds"])
        is_over = silent.total_seconds() > within  # before that somebody may have been away, which counts for nothing
        return f"It was applied; whether it is healthy was not known within {within:g} s." if is_over else ""
    return _why_late(deployment, attempt)


def _why_late(deployment: Deployment, attempt: Attempt) -> str:
    """Whether the request went out longer ago than the run may take; what runs here has times of its own."""
    capabilities, sent = capabilities_of(deployment.plan["via"]), attempt.external_run.get("sent")
    limit = float(deployment.plan["raw"].get("timeout") or capabilities.timeout)
    if not capabilities.remote or not sent or not limit:
        return ""
    is_late = now() - datetime.fromisoformat(str(sent)) > timedelta(seconds=limit)
    return f"It had {limit:g} s, which are over, and it cannot be looked at. It was not stopped." if is_late else ""


def note_answer(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """It can be looked at again."""
    if not attempt.external_run.get("silent_since"):
        return
    was_stuck = bool(attempt.external_run.get("stuck"))
    with transaction.atomic():
        if was_stuck:
            lock_change(deployment.change)
        keep(attempt, deployment, fence, silent_since="", silences=0, stuck=False, silence="")
        text = (
            "The portal looks after it again." if attempt.connection_id is None else "The other system answers again."
        )
        say(deployment, text, attempt=attempt.number, fence=fence)
        if was_stuck:
            end_call_about_silence(deployment)


def note_trouble(pk: int, fence: int, problem: Exception) -> None:
    """An error of the portal's own ended a look: told like a silence, for nobody reads logs while they watch a page."""
    deployment = Deployment.objects.select_related("change", "environment", "environment__repository").get(pk=pk)
    attempt = deployment.attempt_rows.get(number=deployment.attempts)
    text = (
        f"The portal cannot look after this run: an error of its own ({type(problem).__name__}), which is in its log."
    )
    with suppress(LeaseLost, Conflict, DatabaseError):
        note_silence(deployment, attempt, fence, Unavailable("look_failed", text))


def in_words(problem: Unavailable | OSError) -> Unavailable:
    """The same as a sentence: of this machine it is a file that could not be read or written."""
    if isinstance(problem, Unavailable):
        return problem
    return Unavailable("not_readable", f"The run cannot be looked at: {problem.strerror or problem}.")
