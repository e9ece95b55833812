"""What a deployment has applied by now: which steps ran, over all of its attempts, and which resources there are of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.deployments.models import Attempt, Deployment, Step

RESOURCES_SHOWN = 50
BEGUN = frozenset({"running", "failed", "cancelled", "unknown"})


@dataclass(frozen=True, slots=True)
class Applied:
    """Names of steps: ``done`` (its effects stay), ``partly`` (it began and did not succeed), ``never``; resources as told last."""

    done: tuple[str, ...]
    partly: tuple[str, ...]
    never: tuple[str, ...]
    resources: tuple[str, ...]
    healthy: int

    @property
    def is_nothing(self) -> bool:
        return not (self.done or self.partly or self.resources)

    @property
    def first_resources(self) -> tuple[str, ...]:
        return self.resources[:RESOURCES_SHOWN]

    @property
    def more_resources(self) -> int:
        return max(0, len(self.resources) - RESOURCES_SHOWN)


def applied_of(deployment: Deployment, attempts: Iterable[Attempt]) -> Applied:
    """``attempts``: all of the deployment, in order. A step counts as it ended when it ran last."""
    known: dict[str, tuple[str, int]] = {}
    rows = Step.objects.filter(attempt__deployment=deployment).order_by("attempt__number", "position")
    for name, status, number in rows.values_list("name", "status", "attempt__number"):
        if status in {"waiting", "skipped"}:
            known.setdefault(name, ("", number))
        else:
            known[name] = (str(status), number)
    told: list[dict[str, str]] = next((one.resources for one in reversed(list(attempts)) if one.resources), [])
    return Applied(
        done=tuple(
            _named(name, number, deployment) for name, (status, number) in known.items() if status == "succeeded"
        ),
        partly=tuple(_named(name, number, deployment) for name, (status, number) in known.items() if status in BEGUN),
        never=tuple(name for name, (status, _) in known.items() if not status),
        resources=tuple(_resource(one) for one in told),
        healthy=sum(1 for one in told if one["health"] == "healthy"),
    )


def _named(name: str, attempt: int, deployment: Deployment) -> str:
    return name if attempt == deployment.attempts else f"{name} (attempt {attempt})"


def _resource(one: dict[str, str]) -> str:
    place = f"{one['namespace']}/" if one["namespace"] else ""
    return f"{one['kind']} {place}{one['name']}"
