"""Rendering the effect of revisions: planned and done by the engine, asked for anew and cancelled by people."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.changes import access
from apps.changes.effects.outcomes import Outcome, facts_of, outcome_from, outcome_of
from apps.changes.effects.sides import packed
from apps.changes.effects.targets import Found, Sides, reached_by, rendered_target, sides_of
from apps.changes.effects.tools import fingerprint, fingerprint_of
from apps.changes.models import ChangeRequest, RenderedSide, Rendering, RenderingPlan, Revision
from apps.changes.services.inverses import forget_inverse
from apps.changes.transitions import Entry, announce, record
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.core.failpoints import failpoint
from apps.core.work import request_work
from apps.rendering.comparing.codec import encode_difference
from apps.rendering.handed_in import read_plan
from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint, redact_text

log = structlog.get_logger(__name__)
RENDER = "changes.render"
RUN_PLANS = "deployments.plan"
"""The job of the context above that knows runners and their credentials; here it is only woken."""
LEASE_SECONDS = 600
MAX_TARGETS = 1_000
MAX_NAME = 100
KEEP_SIDES = timedelta(days=30)
State = Rendering.State
Planner = Rendering.Planner
HANDED_IN_BY = "handed_in_by"
"""In the facts of a rendering: who handed its plan in. The portal then has only that account's word for it."""
CANNOT_PLAN = frozenset({Failure.UNSUPPORTED, Failure.MISSING_TOOL, Failure.NOT_ISOLATED})
"""What a rendering failed of where this server cannot plan such a target at all, whatever the change says."""
Make = Callable[[Rendering, Sides, Fingerprint], Outcome]
"""Finds out what a row does, or raises :class:`~apps.rendering.model.RenderError`, whose message quotes no secret."""


def plan_renderings(revision_id: int) -> None:
    """Find out which targets a revision reaches, and queue them. Idempotent."""
    revision = Revision.objects.select_related("change__repository").get(pk=revision_id)
    if RenderingPlan.objects.filter(revision=revision).exists():
        return
    problem, found = "", Found(())
    try:
        found = reached_by(revision)
    except (RenderError, PortalError) as error:
        problem = str(error)
    problem = problem or _too_much(found)
    found = Found(()) if problem else found
    try:
        with transaction.atomic():
            _write_plan(revision, found, problem)
    except IntegrityError:
        return  # another worker planned it at the same time


def _too_much(found: Found) -> str:
    """Why these targets cannot be kept; empty: they can."""
    if len(found.targets) > MAX_TARGETS:
        return f"It reaches {len(found.targets)} targets; at most {MAX_TARGETS} are rendered."
    long = next((one.target.name for one in found.targets if len(one.target.name) > MAX_NAME), "")
    return f"The name of the target {long[:40]}… is longer than {MAX_NAME} characters." if long else ""


def forget_side(side_id: int) -> None:
    """A side that nobody has used for a month is rendered again when somebody wants it."""
    RenderedSide.objects.filter(pk=side_id, used_at__lt=now() - KEEP_SIDES).delete()


def _write_plan(revision: Revision, found: Found, problem: str) -> None:
    moment = now()
    RenderingPlan.objects.create(revision=revision, proposed=found.proposed, problem=problem[:1000], created_at=moment)
    for position, reached in enumerate(found.targets):
        row = Rendering.objects.create(
            revision=revision,
            environment=reached.target.environment,
            target=reached.target.name,
            kind=reached.target.kind.value,
            options=dict(reached.target.options),
            optional=reached.optional,
            planned_by=Planner.HERE if found.proposed else _planner(reached.target),
            position=position,
            created_at=moment,
        )
        _wake(row)
    announce(revision.change)


def _planner(target: Target) -> Planner:
    """The policy of the target branch says it, so no change says it of itself."""
    return Planner(target.options.get("plan", Planner.HERE))


def _wake(row: Rendering) -> None:
    """Nothing here can hurry a pipeline."""
    names = {Planner.HERE.value: RENDER, Planner.RUNNER.value: RUN_PLANS}
    if row.planned_by in names:
        request_work(names[row.planned_by], row.pk)


def render(rendering_id: int) -> None:
    """Do one rendering that waits for the portal itself. Idempotent."""
    _carry_out(rendering_id, Planner.HERE, lambda row, sides, hide: outcome_of(rendered_target(row), sides, hide))


def carry_out_plan(rendering_id: int, *, make: Make, seconds: float) -> None:
    """Let the environment's runner plan one rendering that waits for it, within ``seconds``. Idempotent.

    ``make`` runs once among all workers; it is not called for a row that waits for somebody else.
    """
    _carry_out(rendering_id, Planner.RUNNER, make, seconds=seconds)


def _carry_out(rendering_id: int, planner: Planner, make: Make, *, seconds: float = LEASE_SECONDS) -> None:
    """A lost lease, a cancellation or a new attempt lets the result be forgotten."""
    fence = Rendering.objects.claim(rendering_id, seconds=seconds, state=State.QUEUED, planned_by=planner)
    if fence is None:
        return
    row = Rendering.objects.select_related("revision__change__repository").get(pk=rendering_id)
    Rendering.objects.filter(pk=row.pk, fence=fence).update(started_at=now())
    announce(row.revision.change)
    try:
        sides = sides_of(row.revision)
        if sides is None:
            raise RenderError(Failure.UNSUPPORTED, "It conflicts with the target branch, so there is no result.")
        outcome = _done(make(row, sides, fingerprint_of(row.revision)))
        failpoint("K6")
        _finish(row, fence, outcome)
    except RenderError as error:
        _finish(row, fence, _failed(error))
    except PortalError as error:
        _finish(row, fence, _failed(RenderError(Failure.MISSING_INPUT, error.message)))
    except Exception as error:  # noqa: BLE001 - told on the page and in the log, without the words of the error
        _finish(row, fence, _failed(_defect(row, error)))


def _defect(row: Rendering, error: Exception) -> RenderError:
    """Neither page nor log has the words of the error, or its values: they can be those of a repository."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("rendering_failed", rendering=row.pk, target=row.label, error=type(error).__name__, frames=frames)
    said = f"The portal itself failed here ({type(error).__name__}). Its log has more; render it again later."
    return RenderError(Failure.DEFECT, said)


def _done(outcome: Outcome) -> dict[str, Any]:
    return {
        "state": State.RENDERED,
        "digest": outcome.digest,
        "facts": facts_of(outcome),
        "document": packed(encode_difference(outcome.difference)),
        "failure": "",
        "message": "",
        "message_path": "",
        "message_line": 0,
    }


def _failed(error: RenderError) -> dict[str, Any]:
    return {
        "state": State.FAILED,
        "digest": "",
        "facts": {},
        "document": None,
        "failure": error.failure.value,
        "message": redact_text(error.message, fingerprint()),
        "message_path": error.path[:1000],
        "message_line": error.line,
    }


def _finish(row: Rendering, fence: int, columns: dict[str, Any]) -> None:
    """Only who holds the lease writes, and only while the rendering is still wanted."""
    with transaction.atomic():
        wanted = Rendering.objects.filter(pk=row.pk, fence=fence, state=State.QUEUED, attempt=row.attempt)
        if wanted.update(finished_at=now(), lease_until=None, **columns):
            forget_inverse(row.revision_id)
            announce(row.revision.change)


@transaction.atomic
def render_again(actor: User, *, change: ChangeRequest, environment: str, target: str) -> Rendering:
    """Render one target of the present revision anew: after a failure or a cancellation, or to look twice."""
    access.require_visible(access.can_render(actor, change))
    row = _present(change, environment, target)
    if row.state == State.QUEUED:
        raise Conflict("already_rendering", f"{row.label} is being rendered already.")
    _swap(row, state=State.QUEUED, attempt=row.attempt + 1, started_at=None, finished_at=None, lease_until=None)
    _wake(row)
    said = f"{actor.username} asked for {row.label} of {change.label} {row.revision.label} to be rendered again"
    record(change, actor, Entry("rendering.requested", said, _data(row), row.label, row.environment))
    return row


@transaction.atomic
def cancel_rendering(actor: User, *, change: ChangeRequest, environment: str, target: str) -> Rendering:
    """Give up one rendering that waits or runs. Its effect is then not known, and gates say so."""
    access.require_visible(access.can_render(actor, change))
    row = _present(change, environment, target)
    if row.state != State.QUEUED:
        raise Conflict("not_rendering", f"{row.label} is not being rendered: it is {row.get_state_display().lower()}.")
    _swap(
        row, state=State.CANCELLED, finished_at=now(), lease_until=None, document=None, digest="", facts={},
        failure="", message=f"Cancelled by @{actor.username}.", message_path="", message_line=0,
    )  # fmt: skip
    forget_inverse(row.revision_id)
    said = f"{actor.username} cancelled the rendering of {row.label} of {change.label} {row.revision.label}"
    record(change, actor, Entry("rendering.cancelled", said, _data(row), row.label, row.environment))
    return row


@transaction.atomic
def hand_in_plan(
    actor: User, *, change: ChangeRequest, revision: int, environment: str, target: str, plan: bytes
) -> Rendering:
    """Take the plan of a pipeline (``terraform show -json``) for one target of revision number ``revision``.

    For systems whose state and credentials belong to the environment's own runner. The present revision only
    (:class:`Conflict` ``stale_revision``); secrets become fingerprints before anything is written.
    """
    access.require_visible(access.can_hand_in(actor, change))
    row = _present(change, environment, target)
    if row.revision.number != revision:
        raise Conflict(
            "stale_revision",
            f"{change.label} is now at r{row.revision.number}; this plan is for r{revision}. Plan the present one.",
            current=row.revision.number,
            seen=revision,
        )
    _require_wanted(row)
    try:
        planned = read_plan(plan, fingerprint_of(row.revision))
    except RenderError as error:
        raise InvalidInput("bad_plan", f"This plan cannot be read: {error.message}", field="plan") from None
    done = _done(outcome_from(planned))
    done["facts"][HANDED_IN_BY] = actor.username
    _swap(row, **done, attempt=row.attempt + 1, finished_at=now(), lease_until=None)
    forget_inverse(row.revision_id)
    said = f"{actor.username} handed in the plan of {row.label} for {change.label} {row.revision.label}"
    record(
        change,
        actor,
        Entry("rendering.handed_in", said, {**_data(row), "digest": row.digest}, row.label, row.environment),
    )
    return row


def _require_wanted(row: Rendering) -> None:
    """Plans are taken where nothing better is known: of the pipeline's targets, and where the portal itself cannot plan."""
    if row.kind != Kind.TERRAFORM:
        raise InvalidInput("no_plan", f"{row.label} is of the kind {row.kind}: it is rendered here.", field="target")
    if row.planned_by == Planner.RUNNER:
        said = f"{row.label} is planned by the runner of {row.environment}, so no other plan of it is taken."
        raise InvalidInput("planned_by_runner", said, field="target")
    cannot = row.state == State.FAILED and row.failure in CANNOT_PLAN
    if row.planned_by == Planner.HERE and not cannot and HANDED_IN_BY not in row.facts:
        said = f"{row.label} is planned by the portal itself, so no other plan of it is taken while that can be done."
        raise InvalidInput(
            "planned_here", f"{said} `plan: pipeline` in portal.yaml asks your pipeline for it.", field="target"
        )


def _present(change: ChangeRequest, environment: str, target: str) -> Rendering:
    rows = Rendering.objects.filter(revision=change.revision_id, environment=environment, target=target)
    row = rows.select_related("revision__change__repository").first()
    if row is None:
        raise InvalidInput(
            "no_such_target", f"{change.label} reaches no target {environment}/{target} now.", field="target"
        )
    return row


def _swap(row: Rendering, **columns: Any) -> None:
    expected = {"state": row.state, "attempt": row.attempt}
    if not Rendering.objects.compare_and_swap(row.pk, expected=expected, changes=columns):
        raise Conflict("rendering_moved", f"{row.label} was changed at this moment. Look at it again.")
    for name, value in columns.items():
        setattr(row, name, value)


def _data(row: Rendering) -> dict[str, Any]:
    return {"revision": row.revision.number, "target": row.target, "attempt": row.attempt}
