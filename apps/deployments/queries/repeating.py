"""Whether only what failed in the last run can be done again."""

from __future__ import annotations

from typing import Any

from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment


def run_to_repeat(deployment: Deployment, *, attempt: int) -> dict[str, Any]:
    """What the attempt before number ``attempt`` stored of its run; empty where nothing of that can be done again.

    That is so once anything else ran in the environment: what had succeeded in that run may be gone.
    """
    before = Attempt.objects.filter(deployment=deployment, number=attempt - 1).first()
    if before is None or before.ended_at is None or not before.external_run.get("tries"):
        return {}
    others = Attempt.objects.filter(deployment__environment=deployment.environment_id).exclude(deployment=deployment)
    return {} if others.filter(started_at__gte=before.ended_at).exists() else before.external_run


def can_repeat_failed(deployment: Deployment) -> bool:
    """Whether an ended deployment can be retried without doing again what succeeded; judged again when it starts."""
    if deployment.status not in {Status.FAILED, Status.CANCELLED}:
        return False
    if not capabilities_of(deployment.plan["via"]).only_failed:
        return False
    return bool(run_to_repeat(deployment, attempt=deployment.attempts + 1))
