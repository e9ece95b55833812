"""Taking over what a run reports: step rows, log events, and the sentence about a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.core.clock import now
from apps.deployments.dispatchers import Dispatcher, Progress, Run, RunState, StepProgress, StepState
from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from apps.deployments.output import WINDOW, Taken, batches, take_lines
from apps.deployments.transitions import LeaseLost, append_event

WINDOWS_AT_ONCE = 16
"""Windows of output that one look takes over: 4 MB, so that no look outlasts its lease."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step did not succeed, as a sentence that begins with the step's name."""

    step: str
    reason: str
    text: str


class Recorder:
    """One look's worth of taking over; every write proves the lease by its fence."""

    def __init__(self, deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int) -> None:
        self.deployment = deployment
        self.attempt = attempt
        self.run = run
        self.dispatcher = dispatcher
        self.fence = fence
        self.mask = SecretMask(run.secrets.values())
        self.budget = WINDOWS_AT_ONCE

    @staticmethod
    def is_behind(attempt: Attempt, progress: Progress) -> bool:
        """Whether the rows lack something that ``progress`` tells."""
        for row in attempt.steps.all():
            now_is = progress.steps[row.position]
            if now_is.state == StepState.ENDED and row.ended_at is None and row.status != Step.Status.SKIPPED:
                return True
            if now_is.state == StepState.RUNNING and row.status == Step.Status.WAITING:
                return True
            if now_is.output_bytes > row.output_bytes and row.ended_at is None:
                return True
        return False

    def take_over(self, progress: Progress) -> bool:
        """Bring the rows up to ``progress``; False when a later look has to take the rest."""
        if not progress.steps:
            return True
        for row in self.attempt.steps.filter(position__gte=self.run.from_step):
            step = progress.steps[row.position]
            if step.state == StepState.WAITING or row.ended_at is not None:
                continue
            self._note_begin(row, step)
            # Only of a step that is over, all output is there; otherwise half a line may follow.
            is_over = step.state == StepState.ENDED or progress.state == RunState.LOST
            if not self._take_output(row, step, is_over=is_over):
                return False
            if step.state == StepState.ENDED:
                self._note_end(row, step)
        return True

    def _note_begin(self, row: Step, step: StepProgress) -> None:
        if row.status != Step.Status.WAITING:
            return
        with transaction.atomic():
            self._event(DeploymentEvent.Kind.STEP, row, text=f"Step {row.name} runs.", data={"status": "running"})
            self._update(row, status=Step.Status.RUNNING, launched_at=step.began or now())

    def _take_output(self, row: Step, step: StepProgress, *, is_over: bool) -> bool:
        """Store the output that is there; False when the budget of this look ended first."""
        while True:
            raw = self.dispatcher.read_log(self.run, row.position, row.output_bytes, WINDOW)
            final = is_over and row.output_bytes + len(raw) >= step.output_bytes
            taken = take_lines(raw, self.mask, final=final)
            if not taken.consumed:
                return True
            if not self.budget:
                return False
            self.budget -= 1
            self._store(row, taken)

    def _store(self, row: Step, taken: Taken) -> None:
        with transaction.atomic():
            first = row.lines + 1
            for batch in batches(taken.lines):
                self._event(DeploymentEvent.Kind.LOG, row, text="\n".join(batch), first_line=first,
                            data={"lines": len(batch)})  # fmt: skip
                first += len(batch)
            self._update(row, lines=first - 1, output_bytes=row.output_bytes + taken.consumed)
            renewed = Deployment.objects.renew(
                self.deployment.pk, fence=self.fence, seconds=settings.PORTAL_LEASE_SECONDS
            )
            if not renewed:
                raise LeaseLost

    def _note_end(self, row: Step, step: StepProgress) -> None:
        failure = describe(row.name, step, self.run.steps[row.position].timeout)
        status = Step.Status.SUCCEEDED
        if failure is not None:
            status = Step.Status.CANCELLED if failure.reason == "cancelled" else Step.Status.FAILED
        text = failure.text if failure else f"Step {row.name} succeeded."
        data = {"status": str(status), "exit_code": step.exit_code, "signal": step.signal, "reason": step.reason}
        with transaction.atomic():
            self._event(DeploymentEvent.Kind.STEP, row, text=text, data=data)
            self._update(
                row,
                status=status,
                exit_code=step.exit_code,
                problem=failure.text[:500] if failure else "",
                ended_at=step.ended or now(),
            )

    def _event(self, kind: str, row: Step, **columns: Any) -> None:
        append_event(
            self.deployment, kind=kind, attempt=self.attempt.number, step=row.name, fence=self.fence, **columns
        )

    def _update(self, row: Step, **columns: Any) -> None:
        Step.objects.filter(pk=row.pk).update(**columns)
        for name, value in columns.items():
            setattr(row, name, value)

    def failure(self, progress: Progress) -> Failure | None:
        """The first step that did not succeed."""
        for planned, step in zip(self.run.steps, progress.steps, strict=False):
            if step.state == StepState.ENDED:
                found = describe(planned.name, step, planned.timeout)
                if found is not None:
                    return found
        return None

    def all_succeeded(self, progress: Progress) -> bool:
        mine = progress.steps[self.run.from_step :]
        return bool(mine) and all(step.state == StepState.ENDED for step in mine) and self.failure(progress) is None


def describe(name: str, step: StepProgress, timeout: float) -> Failure | None:
    """Why an ended step did not succeed; ``None`` when it did."""
    if step.reason == "exited" and step.exit_code == 0:
        return None
    limit = f"{settings.PORTAL_STEP_OUTPUT_MB:g} MB"
    reasons = {
        "timeout": f"Step {name} was stopped: it took longer than {timeout:g} s.",
        "cancelled": f"Step {name} was stopped on request.",
        "output_limit": f"Step {name} was stopped: it printed more than {limit}.",
        "not_started": f"Step {name} could not be started: {step.problem}",
    }
    text = reasons.get(step.reason) or _exit_text(name, step)
    return Failure(name, step.reason, text)


def _exit_text(name: str, step: StepProgress) -> str:
    if step.signal:
        return f"Step {name} was killed by signal {step.signal}."
    if step.exit_code == 137:  # 128 + SIGKILL, what shells and containers report
        return f"Step {name} exited with 137: something in it was killed, often for lack of memory."
    return f"Step {name} exited with {step.exit_code}."
