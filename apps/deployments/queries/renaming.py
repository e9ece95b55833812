"""An environment that got another name while something ran in it: the lock is that of a row, and the place is the same. Reads only."""

from __future__ import annotations

from apps.deployments.models import Deployment
from apps.deployments.plans import has_pipeline
from apps.deployments.querysets import HOLDING


def runs_under_old_name(deployment: Deployment) -> Deployment | None:
    """What holds an environment that ``portal.yaml`` has no more, and works on the same: on a target of the same name, or by the same plan.

    Nobody writes down that a name was changed, so what only looks the same is waited for as well: it ends, or a person decides. Where
    something is live already, the place had its name before the other lost its own.
    """
    environment = deployment.environment
    if environment.live_deployment_id is not None:
        return None
    rows = Deployment.objects.filter(
        environment__repository=environment.repository_id, environment__defined=False, status__in=HOLDING
    )
    rows = rows.exclude(environment=environment.pk).select_related("environment").order_by("number")
    return next((row for row in rows if _is_same_place(row, deployment)), None)


def _is_same_place(one: Deployment, other: Deployment) -> bool:
    if set(one.environment.targets) & set(other.environment.targets):
        return True
    return has_pipeline(one.plan) and _how(one) == _how(other)


def _how(deployment: Deployment) -> tuple[object, ...]:
    plan = deployment.plan
    return plan["via"], plan["steps"], plan["raw"]
