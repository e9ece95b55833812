"""The page of one deployment: where it stands, what it waits for, its steps, its log, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.text import first_few
from apps.deployments import access, queries
from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.lifecycle import ENDED, Status
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from apps.deployments.queries.repeating import REPEATABLE, can_repeat_failed, steps_to_begin_at
from apps.deployments.queries.rolled_back import taken_back_text
from apps.deployments.queries.undoing import is_undoable, open_rollback
from apps.deployments.queries.usual import Usual, usual_duration
from apps.presentation import spans
from apps.presentation.applied import Applied, applied_of
from apps.presentation.deployment_facts import Approved, approved, resources_at
from apps.presentation.first_error import FirstError, first_error
from apps.presentation.log_html import step_anchor
from apps.presentation.log_notes import no_output, not_started
from apps.presentation.log_pages import WHOLE, Look, StepLog, step_logs
from apps.presentation.resources import Resource, count_healthy, resources_of
from apps.presentation.started import Started, started
from apps.presentation.wait_rows import WaitRows, wait_rows

EVENTS_SHOWN = 40
SIGNS = {
    "pending": "◔",
    "dispatching": "◐",
    "running": "◐",
    "succeeded": "✓",
    "failed": "✕",
    "unknown": "?",
    "cancelled": "–",
}
"""What the title begins with; static/js/deployment_watch.js goes on with the same."""

MOVING = frozenset({Status.PENDING, Status.DISPATCHING, Status.RUNNING})
SLOW = 1.5
"""So many times the usual is longer than usual."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of the step list. ``seconds`` so far or in all; ``since`` while it runs; ``note``: why it has no output."""

    name: str
    position: int
    status: str
    anchor: str
    seconds: float | None = None
    since: datetime | None = None
    began: datetime | None = None
    problem: str = ""
    lines: int = 0
    note: str = ""
    link: str = ""
    offers: tuple[str, ...] = ()

    @property
    def milliseconds(self) -> int:
        """How long it took, or has taken so far."""
        return round(1000 * (self.seconds or 0))


@dataclass(frozen=True, slots=True)
class Actions:
    """What this person can do now; ``why_not`` says why nothing of it is theirs, ``taken_back`` why it is not retried."""

    start: bool = False
    schedule: bool = False
    cancel: bool = False
    cancelling: bool = False
    retry: bool = False
    retry_steps: tuple[tuple[int, str], ...] = ()
    retry_only_failed: bool = False
    taken_back: str = ""
    roll_back: bool = False
    resolve: bool = False
    on_steps: bool = False
    why_not: str = ""

    @property
    def any(self) -> bool:
        return self.start or self.cancel or self.retry or self.roll_back or self.resolve


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """Everything around the log. ``attempt``: the one that is shown, ``run`` its row; ``is_fixed``: it was asked for, and stays
    the one when another begins;
    ``events``: those before number ``before`` (0: the newest), of which ``older`` are left out; ``resources_at``: the moment
    that ``resources`` are of; ``silence``: why it cannot be looked at now; ``refusal``: why it was not stopped, though that was asked for.
    """

    deployment: Deployment
    attempt: int
    attempts: tuple[int, ...]
    run: Attempt | None
    steps: tuple[StepRow, ...]
    events: tuple[DeploymentEvent, ...]
    older: int
    before: int
    actions: Actions
    position: int | None
    seconds: float | None
    since: datetime | None
    detail: str
    rollback: ChangeRequest | None
    waits: WaitRows
    applied: Applied
    approved: Approved
    started: Started
    is_fixed: bool = False
    resources: tuple[Resource, ...] = ()
    resources_at: datetime | None = None
    usual: Usual | None = None
    error: FirstError | None = None
    silence: str = ""
    refusal: str = ""

    @property
    def url(self) -> str:
        return f"/deployments/{self.deployment.number}/"

    @property
    def is_newest(self) -> bool:
        return self.attempt == (self.attempts[-1] if self.attempts else 0)

    @property
    def has_ended(self) -> bool:
        return self.deployment.status in ENDED

    @property
    def failed_step(self) -> str:
        """The step that has failed, also while the deployment has not ended yet."""
        return _first(self.steps, "failed")

    @property
    def is_again(self) -> bool:
        """Whether it waits for a new attempt, so that what is shown is what the one before left."""
        return self.deployment.status == Status.PENDING and self.run is not None

    @property
    def healthy(self) -> int:
        return count_healthy(self.resources)

    @property
    def first_look(self) -> Look:
        """What somebody sees who asks for nothing: of a run that has failed its first error, else beginnings and ends."""
        if self.error is None or not self.error.number or self.run is None or self.run.ended_at is None:
            return WHOLE
        return Look(step=self.error.step, line=self.error.number, is_failure=True)

    @property
    def moves(self) -> bool:
        """Whether something may change without anybody's doing: then a page without JavaScript reloads itself."""
        return self.deployment.status in MOVING

    @property
    def sign(self) -> str:
        return SIGNS.get(self.deployment.status, "")

    @property
    def icon(self) -> str:
        """The icon of the tab."""
        if self.moves:
            return "favicon-running.svg"
        return "favicon.svg" if self.deployment.status == Status.CANCELLED else f"favicon-{self.deployment.status}.svg"

    @property
    def longest(self) -> int:
        """Milliseconds of the longest step, which the bars of all are measured by; at least 1."""
        return max((step.milliseconds for step in self.steps), default=0) or 1

    @property
    def no_log(self) -> str:
        """Why there is no log yet, or none at all."""
        via = self.deployment.plan.get("via", "local")
        if via == "local":
            return "This environment has no pipeline, so nothing is run."
        return f"{via} has written nothing yet." if self.deployment.started_at else f"{via} writes one when it runs."

    @property
    def usually(self) -> str:
        """“usually 4–6 min”, while that still helps; nothing where too few have succeeded to tell."""
        return f"usually {spans.between(self.usual.low, self.usual.high)}" if self.usual else ""

    @property
    def is_slow(self) -> bool:
        return self.usual is not None and self.seconds is not None and self.seconds > SLOW * self.usual.high


def deployment_page(user: User, number: int, *, attempt: int | None = None, before: int = 0) -> DeploymentPage:
    """The page for ``user``, with its events before number ``before``; :class:`NotVisible` when they may not know of it."""
    row = queries.find(user, number)
    # One that begins between the two reads belongs to what the socket brings: the page would take itself for an old attempt.
    rows = list(Attempt.objects.filter(deployment=row, number__lte=row.attempts).order_by("number"))
    numbers = tuple(one.number for one in rows)
    shown = attempt if attempt in numbers else row.attempts
    found = queries.steps_of(row, attempt=shown)
    run = next((one for one in rows if one.number == shown), None)
    steps = _steps(row, found, run, shown)
    events, older = _events(row, before)
    began = (
        None if row.status == Status.PENDING else row.started_at
    )  # what waits for a new attempt keeps that of the last
    return DeploymentPage(
        deployment=row,
        attempt=shown,
        attempts=numbers,
        run=run,
        steps=steps,
        events=events,
        older=older,
        before=before,
        actions=actions_of(user, row),
        position=queries.queue_position(row),
        seconds=_between(began, row.ended_at),
        since=began if began and not row.ended_at else None,
        detail=_detail(row, steps),
        rollback=ChangeRequest.objects.filter(rolls_back=row.change).order_by("-number").first(),
        resources=resources_of(run.resources if run else []),
        resources_at=resources_at(row, run),
        approved=approved(row, run),
        started=started(row, shown),
        is_fixed=attempt in numbers,
        waits=wait_rows(row, shown),
        applied=applied_of(row, rows),
        usual=usual_duration(row.environment) if row.status in MOVING else None,
        error=first_error(row, found, shown),
        silence=str(run.external_run.get("silence") or "") if run and row.status in MOVING else "",
        refusal=str(run.external_run.get("stop_refused") or "") if run and row.status in MOVING else "",
    )


def _events(row: Deployment, before: int) -> tuple[tuple[DeploymentEvent, ...], int]:
    """The newest of those before number ``before``, and how many are older."""
    facts = row.events.exclude(kind=DeploymentEvent.Kind.LOG)
    if before:
        facts = facts.filter(seq__lt=before)
    found = tuple(facts.order_by("-seq")[:EVENTS_SHOWN])
    older = facts.filter(seq__lt=found[-1].seq).count() if len(found) == EVENTS_SHOWN else 0
    return found, older


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None else max(0.0, ((end or now()) - start).total_seconds())


def _steps(row: Deployment, found: Sequence[Step], run: Attempt | None, shown: int) -> tuple[StepRow, ...]:
    """The steps of the attempt; before the first one, those of the plan, waiting."""
    if found and run is not None:
        notes = [no_output(row, step, found, run.from_step) if not step.lines else "" for step in found]
        return tuple(_step(step, run.number, note) for step, note in zip(found, notes, strict=True))
    note = not_started(row)
    names = [str(step["name"]) for step in row.plan.get("steps", [])]
    return tuple(
        StepRow(name, i, "waiting", step_anchor(name, max(shown, 1)), note=note) for i, name in enumerate(names)
    )


def _step(step: Step, attempt: int, note: str) -> StepRow:
    running = step.launched_at is not None and step.ended_at is None
    return StepRow(
        name=step.name,
        position=step.position,
        status=step.status,
        anchor=step_anchor(step.name, attempt),
        seconds=_between(step.launched_at, step.ended_at),
        since=step.launched_at if running else None,
        began=step.launched_at,
        problem=step.problem,
        lines=step.lines,
        note=note,
        link=step.link,
        offers=tuple(step.offers),
    )


def _detail(row: Deployment, steps: Sequence[StepRow]) -> str:
    """What follows the state's word: “at apply”; of what runs, where it runs, or what has failed before it ends."""
    if row.status not in {Status.FAILED, Status.UNKNOWN, Status.RUNNING}:
        return ""
    if row.status == Status.RUNNING:
        at, failed = _first(steps, "running"), _first(steps, "failed")
        return f"at {at}" if at else f"after {failed} failed" if failed else ""
    at = _first(steps, "failed", "cancelled", "unknown", "running")
    return f"at {at}" if at else ""


def _first(steps: Sequence[StepRow], *statuses: str) -> str:
    """The name of the first step in one of these states; empty: none is."""
    return next((step.name for step in steps if step.status in statuses), "")


def actions_of(user: User, row: Deployment) -> Actions:
    """What ``user`` can do with the deployment as it is now; the services judge again."""
    runs = access.can_run(user, row)
    resolves = row.status == Status.UNKNOWN and access.can_resolve(user, row).allowed
    if not runs.allowed:
        return Actions(resolve=resolves, why_not="" if resolves else runs.text)
    is_defined = row.environment.defined
    repeats = row.status in REPEATABLE and is_defined
    taken_back = taken_back_text(row) if repeats else ""
    retries = repeats and not taken_back
    return Actions(
        start=row.status == Status.PENDING and row.manual_start and is_defined,
        schedule=row.status == Status.PENDING and is_defined,
        cancel=row.status in {Status.PENDING, Status.DISPATCHING, Status.RUNNING}
        and row.cancel_requested_by_id is None
        and (row.status == Status.PENDING or capabilities_of(row.plan["via"]).cancel),
        cancelling=row.status not in ENDED and row.cancel_requested_by_id is not None,
        retry=retries,
        retry_steps=_retry_steps(row) if retries else (),
        retry_only_failed=retries and can_repeat_failed(row),
        taken_back=taken_back,
        roll_back=_is_undoable(row),
        resolve=resolves,
        on_steps=row.status == Status.RUNNING,
    )


def _retry_steps(row: Deployment) -> tuple[tuple[int, str], ...]:
    """(position, words): from the first step, or from one behind what ran before and still stands."""
    if not capabilities_of(row.plan["via"]).from_step:
        return ()
    names = [str(step["name"]) for step in row.plan.get("steps", [])]
    begins = steps_to_begin_at(row)
    return tuple((i, _from(names, i)) for i in range(len(names)) if i in begins)


def _from(names: Sequence[str], first: int) -> str:
    """Where a new attempt begins, with what is not run again."""
    if not first:
        return f"all steps, from {names[0]}"
    return f"from {names[first]}, not again {first_few(names[:first])}"


def _is_undoable(row: Deployment) -> bool:
    return is_undoable(row) and row.change.status in {"merged", "done"} and open_rollback(row.change) is None


def logs_of(page: DeploymentPage, look: Look = WHOLE) -> list[StepLog]:
    """The log of the shown attempt up to the deployment's last event. Of a run that failed, the step that did is open.

    While a new attempt waits, what the one before wrote is folded: the new log comes beneath it.
    """
    logs = step_logs(
        page.deployment,
        [step.name for step in page.steps],
        attempt=max(page.attempt, 1),
        upto=page.deployment.last_event,
        look=look,
    )
    steps = {step.name: step for step in page.steps}
    opened = [_opened(log, look) for log in logs]
    if page.is_again and look in {WHOLE, page.first_look}:
        opened = [replace(log, is_open=False, at="") for log in opened]
    return [_told(log, steps.get(log.step)) for log in opened]


def _opened(log: StepLog, look: Look) -> StepLog:
    """The step that failed opens at its line; the lines of others would stand in its way. One without lines says why."""
    if look.is_failure and look.step == log.step:
        return replace(log, is_open=True, at=f"{log.anchor}-L{look.line}")
    return replace(log, is_open=not (look.is_failure and log.lines))


def _told(log: StepLog, step: StepRow | None) -> StepLog:
    """With why it is empty, and when the step began."""
    if step is None:
        return log
    began = int(step.began.timestamp()) if step.began else 0
    return replace(log, note=log.note if log.lines else step.note, began=began)
