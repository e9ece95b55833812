"""Taking over what a run reports: step rows, log events, and the sentence about a failure."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Dispatcher, Outside, Progress, Run, RunState, StepProgress, StepState
from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from apps.deployments.output import WINDOW, Taken, batches, next_lines
from apps.deployments.transitions import LeaseLost, append_event, say

MOST_RESOURCES = 2000
WINDOWS_AT_ONCE = 16
"""Windows of output that one look takes over: 4 MB, so that no look outlasts its lease."""


OF_CHECKS = "health:"
"""With which the keys of the steps begin that are checks of health (``jobs.health``), and of no other."""


def key_of(step: StepProgress) -> str:
    """The key of its row. What another system reports does not become a check by its name."""
    return f"reported {step.key}" if step.key.startswith(OF_CHECKS) else step.key


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step did not succeed, as a sentence that begins with the step's name."""

    step: str
    reason: str
    text: str


class Recorder:
    """One look's worth of taking over; every write proves the lease by its fence.

    ``goes_without_log``: a log that cannot be had is told in a line of its step, and no longer raised.
    """

    def __init__(self, deployment: Deployment, attempt: Attempt, run: Run, dispatcher: Dispatcher, fence: int) -> None:
        self.deployment = deployment
        self.attempt = attempt
        self.run = run
        self.dispatcher = dispatcher
        self.fence = fence
        self.mask = SecretMask([*run.secrets.values(), *(_spoken_secrets(run.outside) if run.outside else ())])
        self.budget = WINDOWS_AT_ONCE
        self.goes_without_log = False

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
        self._take_text(progress)
        self._take_resources(progress)
        for row, step in self._pairs(progress):
            self._take_words(row, step)
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

    def _pairs(self, progress: Progress) -> list[tuple[Step, StepProgress]]:
        """Each reported step with its row; a step that the plan does not know gets a row behind the others."""
        rows = {row.key or str(row.position): row for row in self.attempt.steps.all()}
        pairs = []
        for step in progress.steps:
            key = key_of(step)
            row = rows.get(key)
            if row is None:
                with transaction.atomic():
                    self._require_lease()
                    row = rows[key] = Step.objects.create(
                        attempt=self.attempt, position=len(rows), key=key, name=self._free_name(step, rows)
                    )
            if row.position >= self.run.from_step:
                pairs.append((row, step))
        self._withdraw_offers(rows, progress)
        return pairs

    def _withdraw_offers(self, rows: dict[str, Step], progress: Progress) -> None:
        """Of what the other system no longer shows beside the rest, nobody can ask for anything there."""
        shown = {key_of(step) for step in progress.steps}
        for key, row in rows.items():
            if shown and row.offers and key not in shown:
                with transaction.atomic():
                    self._require_lease()
                    self._update(row, offers=[])

    def _free_name(self, step: StepProgress, rows: dict[str, Step]) -> str:
        """A name that no other step of the attempt has: events, filters and addresses go by it."""
        taken = {row.name for row in rows.values()}
        shown = self.masked(step.name or step.key)
        name = shown[:80]
        count = 2
        while name in taken:
            name = f"{shown[:70]} ({count})"
            count += 1
        return name

    def _take_words(self, row: Step, step: StepProgress) -> None:
        """Where the other system shows the step, and what can be done with it there."""
        link = self.masked(step.link)[:500]
        if (row.link, row.offers) != (link, list(step.offers)):
            with transaction.atomic():
                self._require_lease()
                self._update(row, link=link, offers=list(step.offers))

    def _require_lease(self) -> None:
        """Before a write that no event goes with: what a worker was told before it fell asleep may be old by now."""
        if (
            not Deployment.objects.select_for_update(no_key=True)
            .filter(pk=self.deployment.pk, fence=self.fence)
            .exists()
        ):
            raise LeaseLost

    def _take_text(self, progress: Progress) -> None:
        """What the other system says of the whole, once each time that it says something else."""
        text = self.masked(progress.text)[:500]
        if not text or text == self.attempt.external_run.get("told"):
            return
        known = {**self.attempt.external_run, "told": text}
        with transaction.atomic():
            say(self.deployment, text, attempt=self.attempt.number, fence=self.fence)
            Attempt.objects.filter(pk=self.attempt.pk).update(external_run=known)
        self.attempt.external_run = known

    def _take_resources(self, progress: Progress) -> None:
        """The resources as the other system sees them; told when anything differs."""
        found = [asdict(resource) for resource in progress.resources[:MOST_RESOURCES]]
        if not found or found == self.attempt.resources:
            return
        healthy = sum(1 for resource in progress.resources if resource.health == "healthy")
        unread = sum(1 for resource in progress.resources if resource.health == "unknown")
        with transaction.atomic():
            append_event(
                self.deployment,
                kind=DeploymentEvent.Kind.RESOURCES,
                attempt=self.attempt.number,
                text=f"{healthy} of {len(progress.resources)} resources are healthy."
                + (f" Of {unread} it is not known." if unread else ""),
                data={"healthy": healthy, "count": len(progress.resources)},
                fence=self.fence,
            )
            Attempt.objects.filter(pk=self.attempt.pk).update(resources=found)
            self.attempt.resources = found

    def _note_begin(self, row: Step, step: StepProgress) -> None:
        if row.status != Step.Status.WAITING:
            return
        with transaction.atomic():
            self._event(DeploymentEvent.Kind.STEP, row, text=f"Step {row.name} runs.", data={"status": "running"})
            self._update(row, status=Step.Status.RUNNING, launched_at=step.began or now())

    def _take_output(self, row: Step, step: StepProgress, *, is_over: bool) -> bool:
        """Store the output that is there; False when the budget of this look ended first."""

        def read(offset: int) -> bytes:
            return self.dispatcher.read_log(self.run, step.key, row.output_bytes + offset, WINDOW)

        while True:
            due = step.output_bytes - row.output_bytes if is_over else None
            try:
                taken = next_lines(read, self.mask, due=due)
            except Unavailable as problem:
                if not self.goes_without_log:
                    raise
                self._store(row, Taken((f"The log could not be taken over: {self.masked(problem.message)}",), 0))
                return True
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
        failure = describe(row.name, step, self._time_limit(row.position))
        status = Step.Status.SUCCEEDED
        if failure is not None:
            status = Step.Status.CANCELLED if failure.reason == "cancelled" else Step.Status.FAILED
        text = self.masked(failure.text) if failure else f"Step {row.name} succeeded."
        data = {"status": str(status), "exit_code": step.exit_code, "signal": step.signal, "reason": step.reason}
        with transaction.atomic():
            self._event(DeploymentEvent.Kind.STEP, row, text=text, data=data)
            self._update(
                row,
                status=status,
                exit_code=step.exit_code,
                problem=text[:500] if failure else "",
                ended_at=step.ended or now(),
            )

    def masked(self, text: str) -> str:
        """A sentence with words of another system, without the secrets that it may repeat."""
        return self.mask.apply(text.encode()).decode(errors="replace")

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
        for position, step in enumerate(progress.steps):
            if step.state == StepState.ENDED and not step.is_optional:
                name = step.name or self.run.steps[position].name
                found = describe(name, step, self._time_limit(position))
                if found is not None:
                    return found
        return None

    def _time_limit(self, position: int) -> float:
        """Seconds that the plan gives a step; 0 where another system decides."""
        return self.run.steps[position].timeout if position < len(self.run.steps) else 0.0

    def all_succeeded(self, progress: Progress) -> bool:
        mine = progress.steps[self.run.from_step :]
        return bool(mine) and all(step.state == StepState.ENDED for step in mine) and self.failure(progress) is None


def _spoken_secrets(outside: Outside) -> list[str]:
    """The credentials as the other system may repeat them: plain, and as the pair that Basic authentication sends."""
    secrets = list(outside.credentials.values())
    user = outside.options.get("user", "")
    pairs = [base64.b64encode(f"{user}:{secret}".encode()).decode() for secret in secrets if user]
    return [*secrets, *pairs]


def describe(name: str, step: StepProgress, timeout: float) -> Failure | None:
    """Why an ended step did not succeed; ``None`` when it did."""
    if step.is_success:
        return None
    limit = f"{settings.PORTAL_STEP_OUTPUT_MB:g} MB"
    reasons = {
        "timeout": f"Step {name} was stopped: it took longer than {timeout:g} s.",
        "cancelled": f"Step {name} was stopped on request.",
        "output_limit": f"Step {name} was stopped: it printed more than {limit}.",
        "memory_limit": f"Step {name} was stopped: its processes held more than {settings.PORTAL_STEP_MEMORY_MB:g} MB of memory.",
        "process_limit": f"Step {name} was stopped: it had more than {settings.PORTAL_STEP_PROCESSES:g} processes.",
        "reported": f"Step {name} failed: {step.problem}" if step.problem else f"Step {name} failed.",
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
