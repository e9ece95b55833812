"""What the deployment that is live in an environment made there, as the system that deploys told it last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.deployments.models import Attempt, Deployment, Environment
from apps.presentation.board import environment_url
from apps.presentation.deployment_facts import resources_at
from apps.presentation.resources import Tree, count_healthy, resource_tree, resources_of


@dataclass(frozen=True, slots=True)
class EnvironmentResources:
    """``tree``: ``None`` where nothing is live, or nobody told of a resource of it. ``at``: the moment of that.

    ``newer``: what has run there since; what was told then stands on its page. ``url``: of this part of the page.
    """

    url: str
    deployment: Deployment | None = None
    at: datetime | None = None
    total: int = 0
    healthy: int = 0
    tree: Tree | None = None
    newer: Deployment | None = None


def environment_resources(row: Environment) -> EnvironmentResources:
    """Four queries at most. A row of another system is never joined with one of ours: what has no namespace there has none here."""
    url, live = f"{environment_url(row)}_resources/", row.live_deployment
    runs = Attempt.objects.filter(deployment=live).only("deployment", "number", "resources", "ended_at")
    run = runs.order_by("number").last()
    if live is None or run is None or not run.resources:
        return EnvironmentResources(url)
    rows = resources_of(run.resources)
    at = resources_at(live, run)
    since = Attempt.objects.filter(deployment__environment=row, pk__gt=run.pk).select_related("deployment")
    newest = since.only("deployment__number").order_by("-pk").first()
    return EnvironmentResources(
        url, live, at, len(rows), count_healthy(rows), resource_tree(rows), newest.deployment if newest else None
    )
