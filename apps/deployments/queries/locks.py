"""Locks that people hold on environments. Reads only."""

from __future__ import annotations

from apps.core.clock import now
from apps.deployments.models import Deployment, Environment, EnvironmentLock


def lock_of(environment: Environment) -> EnvironmentLock | None:
    """The lock that holds now: one that has expired holds nothing, also before anybody cleaned it up."""
    rows = EnvironmentLock.objects.filter(environment=environment, ended_at=None, until__gt=now())
    return rows.select_related("holder", "environment__repository").first()


def is_kept_from(lock: EnvironmentLock, deployment: Deployment) -> bool:
    """Whether the lock holds ``deployment``: not the holder's own, and never a roll-back."""
    is_rollback = deployment.kind == Deployment.Kind.ROLLBACK
    return not is_rollback and deployment.requested_by_id != lock.holder_id
