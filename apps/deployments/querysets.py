"""Chainable filters of the deployments context."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.clock import now
from apps.core.leases import LeasedQuerySet, short_lease
from apps.deployments.lifecycle import HOLDS_LOCK
from apps.repositories.models import Repository

if TYPE_CHECKING:
    from apps.deployments.models import (  # noqa: F401
        Deployment,
        DriftAdoption,
        DriftWatch,
        MergeIntent,
        MergeSchedule,
        TargetComparison,
        TargetFreeze,
    )


HOLDING = [str(status) for status in HOLDS_LOCK]


class MergeIntentQuerySet(LeasedQuerySet["MergeIntent"]):
    def longest_lease(self) -> float:
        return short_lease()

    def pending(self) -> MergeIntentQuerySet:
        return self.filter(state="pending")


class DeploymentQuerySet(LeasedQuerySet["Deployment"]):
    def longest_lease(self) -> float:
        return 2.0 * (4 * settings.PORTAL_RENDER_SECONDS + settings.PORTAL_LEASE_SECONDS)  # while it is rendered

    def stuck(self) -> DeploymentQuerySet:
        """Those at work that could not be looked after for long (jobs.silence)."""
        now_on = Q(attempt_rows__number=F("attempts"), attempt_rows__external_run__stuck=True)
        return self.filter(now_on, status__in=["dispatching", "running"])

    def to_judge(self) -> DeploymentQuerySet:
        """With everything that is read where it is judged what holds them."""
        return self.select_related(
            "change__repository", "environment__repository", "environment__live_deployment", "scheduled_by"
        )

    def visible_to(self, user: Any) -> DeploymentQuerySet:
        """Deployments of the repositories that ``user`` may see."""
        return self.filter(environment__repository__in=Repository.objects.visible_to(user))


class TargetFreezeQuerySet(models.QuerySet["TargetFreeze"]):
    def open(self) -> TargetFreezeQuerySet:
        """Those that hold their branch now."""
        return self.filter(lifted_at=None)


class MergeScheduleQuerySet(models.QuerySet["MergeSchedule"]):
    def open(self) -> MergeScheduleQuerySet:
        """Those that have not ended."""
        return self.filter(ended_at=None)


class TargetComparisonQuerySet(LeasedQuerySet["TargetComparison"]):
    def queued(self) -> TargetComparisonQuerySet:
        """Those that are not rendered yet."""
        return self.filter(state="queued")


class DriftWatchQuerySet(LeasedQuerySet["DriftWatch"]):
    def due(self, at: datetime) -> DriftWatchQuerySet:
        """What is to be looked at now: its time has come, which the end of a deployment brings about (:meth:`look_soon`).

        Only where something is live; never while a deployment holds the environment.
        """
        rows = self.filter(next_at__lte=at, environment__defined=True, environment__live_deployment__isnull=False)
        return rows.exclude(environment__deployments__status__in=HOLDING)

    def look_soon(self, deployment: Deployment) -> int:
        """Have the environment looked at soon, if portal.yaml says that it is looked at: ``deployment`` has ended, however it did,
        and may have changed half of it. Not before it began by the clock that said so: an earlier look would count as older.
        """
        moment = now()
        if deployment.started_at is not None:
            moment = max(moment, deployment.started_at)
        return self.filter(environment=deployment.environment_id, every_seconds__gt=0).update(next_at=moment)


class DriftAdoptionQuerySet(LeasedQuerySet["DriftAdoption"]):
    def open(self) -> DriftAdoptionQuerySet:
        """Those that have not ended."""
        return self.filter(ended_at=None)
