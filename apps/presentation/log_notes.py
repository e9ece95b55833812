"""Why a step has no output, in words: an empty log never stands there unexplained."""

from __future__ import annotations

from collections.abc import Sequence

from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.lifecycle import ENDED, Status
from apps.deployments.models import Deployment, Step

STOPPED = {"failed": "failed", "cancelled": "was cancelled", "unknown": "ended in a way that nobody knows"}
SILENT = {
    "running": "It runs, and has printed nothing yet.",
    "succeeded": "It succeeded, and printed nothing.",
    "failed": "It failed, and printed nothing.",
    "cancelled": "It was cancelled before it printed anything.",
    "unknown": "Nothing is known of what it printed.",
}


def no_output(deployment: Deployment, step: Step, steps: Sequence[Step], from_step: int) -> str:
    """Of a step without lines; ``from_step``: where its attempt began."""
    if step.status == Step.Status.SKIPPED:
        return _skipped(deployment, step, steps, from_step)
    if step.status == Step.Status.WAITING:
        return not_started(deployment)
    text = SILENT.get(step.status, "")
    via = deployment.plan["via"]
    return text if capabilities_of(via).logs else f"{text} What runs via {via} passes no log on to the portal."


def not_started(deployment: Deployment) -> str:
    if deployment.status == Status.PENDING and deployment.waits:
        return f"Not started: {deployment.waits[0]['text']}"
    return "Not started." if deployment.status in ENDED else "Not started yet: the steps before it come first."


def _skipped(deployment: Deployment, step: Step, steps: Sequence[Step], from_step: int) -> str:
    if step.position < from_step:
        first = next((one.name for one in steps if one.position == from_step), "a later step")
        return f"Not run again: this attempt began at {first}."
    ended = next((one for one in steps if one.status in STOPPED), None)
    if ended is not None:
        return f"Never ran: {ended.name} {STOPPED[ended.status]} before it."
    return "Never ran: there was nothing to run." if deployment.status == Status.SUCCEEDED else "Never ran."
