"""Locks that people hold on environments. Reads only."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.deployments.models import Deployment, Environment, EnvironmentLock

ASKS = ("deployment.created", "deployment.requested", "deployment.scheduled", "deployment.retried")
"""What is on record of somebody who wants a deployment to run."""


def holding_locks() -> QuerySet[EnvironmentLock]:
    """Those that hold now: one that has expired holds nothing, also before anybody cleaned it up."""
    return EnvironmentLock.objects.filter(ended_at=None, until__gt=now())


def lock_of(environment: Environment) -> EnvironmentLock | None:
    """The lock that holds now."""
    rows = holding_locks().filter(environment=environment)
    return rows.select_related("holder", "environment__repository").first()


def is_kept_from(lock: EnvironmentLock, deployment: Deployment) -> bool:
    """Whether the lock holds ``deployment``: not what its holder asked for last, and never a roll-back."""
    is_rollback = deployment.kind == Deployment.Kind.ROLLBACK
    return not is_rollback and _asked_by(deployment) != lock.holder_id


def _asked_by(deployment: Deployment) -> int | None:
    """The key of who asked for it, started, scheduled or repeated it last; the row keeps only who was the first."""
    entries = AuditEntry.objects.filter(deployment_number=deployment.number, action__in=ASKS).order_by("-seq")
    actor = entries.values_list("actor", flat=True).first()
    return actor["id"] if actor is not None else deployment.requested_by_id
