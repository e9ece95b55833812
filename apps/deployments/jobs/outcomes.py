"""The end of a run, in words: what it came to, what was applied, what nobody can know."""

from __future__ import annotations

from django.db import transaction

from apps.core.waiting import let_go
from apps.deployments.dispatchers import Dispatcher, Progress, Run, RunState, StepState
from apps.deployments.dispatchers.checking import forget
from apps.deployments.jobs.recording import Recorder
from apps.deployments.lifecycle import Event, Status
from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import end_deployment


def end(deployment: Deployment, progress: Progress, recorder: Recorder, fence: int) -> None:
    """The run is over and all that it printed is stored."""
    is_cancelled = deployment.cancel_requested_by is not None
    if progress.state == RunState.LOST:
        if not is_cancelled:
            why = progress.problem or "The run was interrupted, and nobody can say how far its last step came."
            lose(deployment, fence, recorder.masked(why))
            return
        text = recorder.masked(progress.problem) or "It was cancelled, and nobody can say how far its last step came."
        with transaction.atomic():
            end_deployment(deployment, Event.LOSE, text=text, problem=text, fence=fence)
        return
    with transaction.atomic():
        _end_known(deployment, progress, recorder, fence)


def _end_known(deployment: Deployment, progress: Progress, recorder: Recorder, fence: int) -> None:
    failure = recorder.failure(progress)
    outcome = outcome_of(progress, recorder)
    if outcome == "succeeded":
        text = f"{deployment.environment.name} runs {deployment.commit[:10]}."
        end_deployment(deployment, Event.SUCCEED, text=text, fence=fence)
    elif outcome == "failed":
        said = progress.problem or (failure.text if failure else f"{deployment.plan['via']} says that it failed.")
        text = recorder.masked(said)
        data = {"step": failure.step} if failure else {}
        end_deployment(deployment, Event.FAIL, text=text, problem=text, fence=fence, data=data)
    else:
        end_cancelled(deployment, fence, progress)


def outcome_of(progress: Progress, recorder: Recorder) -> str:
    """succeeded | failed | cancelled: what the other system says of the whole, or else what the steps tell."""
    if progress.outcome or progress.state == RunState.LOST:
        return progress.outcome
    failure = recorder.failure(progress)
    if failure is None and recorder.all_succeeded(progress):
        return "succeeded"
    return "failed" if failure is not None and failure.reason != "cancelled" else "cancelled"


def end_cancelled(deployment: Deployment, fence: int, progress: Progress) -> None:
    """Say what was applied: steps that had finished are not undone by cancelling."""
    planned = [str(step["name"]) for step in deployment.plan["steps"]]
    named = [(step.name or planned[n], step) for n, step in enumerate(progress.steps) if step.name or n < len(planned)]
    ended = [(name, step) for name, step in named if step.state == StepState.ENDED]
    applied = [name for name, step in ended if step.is_success]
    stopped = [name for name, step in ended if not step.is_success]
    who = deployment.cancel_requested_by.shown_name if deployment.cancel_requested_by else "Somebody"
    parts = [f"{who} cancelled it."]
    parts.append(f"Already applied: {', '.join(applied)}." if applied else "No step had finished.")
    if stopped:
        parts.append(f"Stopped in the middle: {', '.join(stopped)}.")
    end_deployment(
        deployment, Event.CANCEL, text=" ".join(parts), fence=fence, data={"applied": applied, "stopped": stopped}
    )


def lose(deployment: Deployment, fence: int, why: str) -> None:
    """Nobody can say how it ended: the environment stays locked until a person decides."""
    text = f"{why} Somebody who may deploy looks at {deployment.environment.name} and decides how it ended."
    with transaction.atomic():
        end_deployment(deployment, Event.LOSE, text=text, problem=why, fence=fence)


def tidy(attempt: Attempt, dispatcher: Dispatcher, run: Run) -> None:
    """Remove the workspace of a run that is over; one with unknown outcome is kept for who decides."""
    outcome = Attempt.objects.values_list("outcome", flat=True).get(pk=attempt.pk)
    if outcome and outcome != Status.UNKNOWN:
        with let_go():  # somebody may have begun the next attempt by now
            dispatcher.discard(run)
        forget(run.deployment, run.key)
        Attempt.objects.filter(pk=attempt.pk).update(has_workspace=False, sealed_secrets="", sealed_rendering="")
