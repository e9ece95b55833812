"""Whether a new attempt can leave out what succeeded before: what it relies on must still stand in the environment."""

from __future__ import annotations

from typing import Any

from django.db.models import Max

from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment, Step

REPEATABLE = frozenset({Status.FAILED, Status.CANCELLED})


def run_to_repeat(deployment: Deployment, *, attempt: int) -> dict[str, Any]:
    """What the attempt before number ``attempt`` stored of its run; empty where nothing of that can be done again.

    That is so once anything else ran in the environment: what had succeeded in that run may be gone.
    """
    before = Attempt.objects.filter(deployment=deployment, number=attempt - 1).first()
    if before is None or before.ended_at is None or not before.external_run.get("tries"):
        return {}
    return {} if _others(deployment).filter(started_at__gte=before.ended_at).exists() else before.external_run


def steps_to_begin_at(deployment: Deployment) -> frozenset[int]:
    """Positions at which a new attempt can begin: 0, and those behind a step that ran, with nothing else since."""
    if not capabilities_of(deployment.plan["via"]).from_step:
        return frozenset({0})
    ran = Step.objects.filter(attempt__deployment=deployment, launched_at__isnull=False)
    ended = dict(ran.values_list("position").annotate(Max("attempt__ended_at")))
    newest = _others(deployment).aggregate(newest=Max("started_at"))["newest"]
    stands = (at for at, end in ended.items() if end is not None and (newest is None or newest < end))
    return frozenset({0, *(at + 1 for at in stands if at + 1 < len(deployment.plan["steps"]))})


def can_begin_later(deployment: Deployment) -> bool:
    """Whether an ended deployment can be retried from another step than the first; judged again when it starts."""
    return deployment.status in REPEATABLE and len(steps_to_begin_at(deployment)) > 1


def _others(deployment: Deployment) -> Any:
    """Attempts of anything else in the environment; one at a time is under way there."""
    return Attempt.objects.filter(deployment__environment=deployment.environment_id).exclude(deployment=deployment)


def can_repeat_failed(deployment: Deployment) -> bool:
    """Whether an ended deployment can be retried without doing again what succeeded; judged again when it starts."""
    if deployment.status not in REPEATABLE or not capabilities_of(deployment.plan["via"]).only_failed:
        return False
    return bool(run_to_repeat(deployment, attempt=deployment.attempts + 1))


def why_not_repeated(deployment: Deployment, *, attempt: int, from_step: int, only_failed: bool) -> str:
    """Why attempt number ``attempt`` cannot leave out what succeeded; empty where it can, or leaves out nothing."""
    via, place = deployment.plan["via"], deployment.environment.name
    if only_failed and not (capabilities_of(via).only_failed and run_to_repeat(deployment, attempt=attempt)):
        problem = f"has no run of which only what failed could be done again: {via} kept none"
    elif from_step and from_step not in steps_to_begin_at(deployment):
        name = deployment.plan["steps"][from_step]["name"]
        problem = f"cannot begin at step {name}: {via} kept nothing of the step before it"
    else:
        return ""
    return f"{deployment.label} {problem}, or something else ran in {place} since. Retry it as a whole."
