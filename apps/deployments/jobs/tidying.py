"""Workspaces of runs that ended are removed; those of unknown outcome after some days."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Q

from apps.core.clock import now
from apps.deployments.dispatchers.checking import deployments_here, forget, forget_looks, old_looks
from apps.deployments.dispatchers.local import runner_id
from apps.deployments.dispatchers.registry import dispatcher_of
from apps.deployments.jobs.runs import run_of
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment
from apps.deployments.querysets import HOLDING

LONGEST_LOOK = 7200.0
"""Seconds: what is older was left."""


def attempts_due(limit: int) -> list[int]:
    """Ended attempts whose workspace is still here: a worker was killed, or the days are over."""
    old = now() - timedelta(days=settings.PORTAL_RUNS_KEEP_DAYS)
    mine = (
        Q(external_run__runner=runner_id()) | Q(external_run={}) | ~Q(sealed_rendering="")
    )  # without one, it ended while it was prepared
    rows = Attempt.objects.filter(mine, has_workspace=True, ended_at__isnull=False)
    rows = rows.filter(~Q(outcome=str(Status.UNKNOWN)) | Q(ended_at__lte=old))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def tidy(pk: int) -> None:
    """Remove one workspace."""
    attempt = Attempt.objects.select_related(
        "deployment", "deployment__change", "deployment__environment", "deployment__environment__repository"
    ).get(pk=pk)
    run = run_of(attempt.deployment, attempt, with_secrets=False)
    dispatcher_of(attempt.deployment.plan["via"]).discard(run)
    Attempt.objects.filter(pk=pk).update(has_workspace=False, sealed_secrets="", sealed_rendering="")


def checks_due(limit: int) -> list[int]:
    """Numbers of deployments that are over and whose checks of health left files here: another worker ended them, or ours was killed."""
    found = deployments_here()
    active = Deployment.objects.filter(number__in=found, status__in=HOLDING).values_list("number", flat=True)
    return sorted(set(found) - set(active))[:limit] if found else []


def looks_due(limit: int) -> list[int]:
    """Environments of which looks that were broken off left files here: nobody looks for so long."""
    return old_looks(LONGEST_LOOK)[:limit]


def tidy_looks(environment: int) -> None:
    """Remove them."""
    forget_looks(environment, LONGEST_LOOK)


def tidy_checks(number: int) -> None:
    """Remove them, unless it runs again."""
    if not Deployment.objects.filter(number=number, status__in=HOLDING).exists():
        forget(number)
