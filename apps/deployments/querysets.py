"""Chainable filters of the deployments context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from apps.core.leases import LeasedQuerySet
from apps.repositories.models import Repository

if TYPE_CHECKING:
    from apps.deployments.models import Deployment, MergeIntent, MergeSchedule, TargetComparison, TargetFreeze  # noqa: F401


class MergeIntentQuerySet(LeasedQuerySet["MergeIntent"]):
    def pending(self) -> MergeIntentQuerySet:
        return self.filter(state="pending")


class DeploymentQuerySet(LeasedQuerySet["Deployment"]):
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
