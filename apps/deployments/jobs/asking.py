"""Asking the checks of ``deploy.health``: while a deployment is verified, and long after it at each look at what is live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.core.errors import PortalError
from apps.deployments.dispatchers import Progress, RunState
from apps.deployments.dispatchers.checking import looking
from apps.deployments.dispatchers.standing import DEGRADED, DOWN, HEALTHY, UNKNOWN, Part, Standing, of_parts
from apps.deployments.health import Reading, read_check, read_command
from apps.deployments.jobs.runs import run_of_check
from apps.deployments.models import Attempt, Deployment
from apps.deployments.queries.connections import granted, outside_of

OF_DISPATCHERS = "resources"
"""The kind of a check that the way of deploying answers by itself."""


def ask_check(
    deployment: Deployment,
    attempt: Attempt,
    check: dict[str, Any],
    progress: Progress,
    is_wanted: Callable[[], bool],
    *,
    home: Path | None = None,
) -> Reading:
    """Outside of any transaction: it may take as long as the other system, or the command, lets us wait."""
    if check["kind"] == "command":
        return read_command(check, run_of_check(deployment, attempt), is_wanted, home=home)
    if check["kind"] == OF_DISPATCHERS:
        return read_check(check, None, progress)
    try:
        outside = outside_of(granted(deployment.environment, check["connection"], check["kind"]))
    except PortalError as problem:
        return Reading(is_good=False, text=f"is without its connection: {problem.message}", is_asked=False)
    return read_check(check, outside, progress)


def checks_of(deployment: Deployment) -> list[dict[str, Any]]:
    """Those that can be asked at any time."""
    checks = deployment.plan.get("health", {}).get("checks", [])
    return [check for check in checks if check["kind"] != OF_DISPATCHERS]


def standing_by_checks(attempt: Attempt) -> Standing:
    """How what ``attempt`` made live does, as each of its checks says now."""
    with looking(attempt.deployment.environment_id) as home:
        return of_parts([_part(attempt, check, home) for check in checks_of(attempt.deployment)])


def _part(attempt: Attempt, check: dict[str, Any], home: Path) -> Part:
    """What does not answer as it should is down; a number out of its bounds says that it does badly, a silent Prometheus nothing."""
    name, is_measured = check["name"], check["kind"] == "prometheus"
    try:
        found = ask_check(attempt.deployment, attempt, check, Progress(RunState.ENDED), lambda: True, home=home)
    except PortalError as problem:
        return name, UNKNOWN, problem.message
    if found.is_good:
        return name, HEALTHY, ""
    if not found.is_asked or (is_measured and not found.is_told):
        return name, UNKNOWN, found.text
    return name, DEGRADED if is_measured else DOWN, found.text
