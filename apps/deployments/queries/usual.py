"""How long a deployment to an environment usually takes, from those that succeeded there. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles

from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment, Environment

LOOKED_AT = 20
"""The last deployments of the environment that count."""

ENOUGH = 5
"""Fewer say nothing about what is usual."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Seconds: half of the ``runs`` took between ``low`` and ``high``."""

    low: float
    high: float
    runs: int


def usual_duration(environment: Environment) -> Usual | None:
    """From the attempt's start to its end, health included; ``None`` when there is not enough to tell.

    Only attempts that ran as a whole count, and only those in which something ran. Two bounded queries.
    """
    ended = Deployment.objects.filter(environment=environment, status=Status.SUCCEEDED).order_by("-number")
    keys = list(ended.values_list("pk", flat=True)[:LOOKED_AT])
    ran = Attempt.objects.filter(deployment__in=keys, outcome=str(Status.SUCCEEDED), from_step=0, only_failed=False)
    rows = ran.filter(steps__launched_at__isnull=False).distinct().values_list("pk", "started_at", "ended_at")
    seconds = [(ended - started).total_seconds() for _, started, ended in rows if ended is not None]
    if len(seconds) < ENOUGH:
        return None
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    return Usual(max(0.0, low), max(0.0, high), len(seconds))
