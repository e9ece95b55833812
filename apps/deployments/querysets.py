"""Chainable filters of the deployments context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.core.leases import LeasedQuerySet
from apps.repositories.models import Repository

if TYPE_CHECKING:
    from apps.deployments.models import Deployment, MergeIntent  # noqa: F401


class MergeIntentQuerySet(LeasedQuerySet["MergeIntent"]):
    def pending(self) -> MergeIntentQuerySet:
        return self.filter(state="pending")


class DeploymentQuerySet(LeasedQuerySet["Deployment"]):
    def visible_to(self, user: Any) -> DeploymentQuerySet:
        """Deployments of the repositories that ``user`` may see."""
        return self.filter(environment__repository__in=Repository.objects.visible_to(user))
