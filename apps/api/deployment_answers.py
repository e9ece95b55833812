"""One deployment with its attempts, as the API answers it."""

from __future__ import annotations

from typing import Any

from apps.api.answers import DEPLOYMENT_RELATED, deployment_json, time
from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.models import Attempt, Deployment, Step
from apps.deployments.queries.repeating import can_begin_later, can_repeat_failed


def deployment_detail(row: Deployment) -> dict[str, Any]:
    """The row as it is now, with its attempts and their steps."""
    row = Deployment.objects.select_related(*DEPLOYMENT_RELATED).get(pk=row.pk)
    can = capabilities_of(row.plan["via"])
    attempts = row.attempt_rows.select_related("connection").prefetch_related("steps")
    return deployment_json(row) | {
        "via": row.plan["via"],
        "can_cancel": can.cancel,
        "can_retry_from_step": can_begin_later(row),
        "can_retry_only_failed": can_repeat_failed(row),
        "attempt_details": [_attempt(attempt) for attempt in attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome or None,
        "started_at": time(attempt.started_at),
        "ended_at": time(attempt.ended_at),
        "connection": attempt.connection.name if attempt.connection else None,
        "resources": attempt.resources,
        "steps": [_step(step) for step in attempt.steps.all()],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "state": step.status,
        "exit_code": step.exit_code,
        "problem": step.problem or None,
        "lines": step.lines,
        "link": step.link or None,
        "offers": step.offers,
    }
