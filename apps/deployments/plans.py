"""The plan of a deployment: what ``portal.yaml`` said at the merged commit, frozen as JSON.

``{"via": "local", "steps": [{"name", "run", "timeout" (s)}], "raw": {...}, "health": {...}}``. Without steps
there is nothing to run, and the plan says so. ``via: terraform`` has steps that nobody writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from apps.deployments.dispatchers import PlannedStep
from apps.policies.config import EnvironmentConfig
from apps.repositories.models import Repository

INIT_SECONDS, COMPARE_SECONDS, APPLY_SECONDS = 600.0, 900.0, 3600.0


def deploys_from(branch: str, repository: Repository) -> bool:
    """Whether what is merged into ``branch`` is deployed: only the default branch defines environments.

    Any other branch brings its own ``portal.yaml``, and who may push could write one there that
    gives production other steps and no rules.
    """
    return branch == repository.default_branch


def freeze(environment: EnvironmentConfig) -> dict[str, Any]:
    """The plan of an environment as its configuration has it."""
    deploy = environment.deploy
    steps = [{"name": step.name, "run": step.run, "timeout": step.timeout_seconds} for step in deploy.steps]
    if deploy.via == "terraform":
        steps = _terraform_steps(deploy.raw)
    health = asdict(deploy.health) if deploy.health.checks else {}
    return {"via": deploy.via, "steps": steps, "raw": _plain(deploy.raw), "health": _plain(health)}


def _terraform_steps(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its steps are always the same; ``timeout`` is that of what changes something."""
    apply = float(told.get("timeout") or APPLY_SECONDS)
    return [
        {"name": "init", "run": "terraform init", "timeout": INIT_SECONDS},
        {"name": "plan", "run": "terraform plan", "timeout": apply},
        {"name": "compare", "run": "compare the plan with the approved one", "timeout": COMPARE_SECONDS},
        {"name": "apply", "run": "terraform apply of that plan", "timeout": apply},
    ]


def has_pipeline(plan: dict[str, Any]) -> bool:
    """Whether there is anything to run."""
    return bool(plan["steps"]) or plan["via"] != "local"


def planned_steps(plan: dict[str, Any]) -> tuple[PlannedStep, ...]:
    return tuple(PlannedStep(step["name"], step["run"], float(step["timeout"])) for step in plan["steps"])


def _plain(value: Any) -> Any:
    """JSON-ready: mappings to dicts, tuples to lists, what JSON has no word for (dates) to text."""
    if hasattr(value, "items"):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
