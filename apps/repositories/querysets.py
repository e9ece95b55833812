"""Chainable filters of the repositories context."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q

from apps.core.leases import LeasedQuerySet, short_lease

if TYPE_CHECKING:
    from apps.repositories.models import RefUpdate, Repository, WebhookDelivery  # noqa: F401


class RepositoryQuerySet(LeasedQuerySet["Repository"]):
    def longest_lease(self) -> float:
        return short_lease()

    def visible_to(self, user: Any) -> RepositoryQuerySet:
        """Repositories in which ``user`` holds a role, alone or through a team; all for administrators."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self
        mine = Q(roles__user=user) | Q(roles__team__memberships__user=user)
        return self.filter(pk__in=self.model._default_manager.filter(mine).values("pk"))

    def due_for_sync(self, at: datetime) -> RepositoryQuerySet:
        """Repositories that nobody is looking at and that were asked for or whose poll is due."""
        return self.filter(self.free(), Q(sync_requested_at__isnull=False) | Q(next_poll_at__lte=at))

    def without_pins(self) -> RepositoryQuerySet:
        """Rebuilt mirrors in which the revisions of changes are not yet pinned again."""
        rebuilt = self.filter(mirror_rebuilt_at__isnull=False)
        return rebuilt.filter(Q(pins_restored_at__isnull=True) | Q(pins_restored_at__lt=F("mirror_rebuilt_at")))


class RefUpdateQuerySet(models.QuerySet["RefUpdate"]):
    def untaken(self) -> RefUpdateQuerySet:
        return self.filter(taken_at__isnull=True)


class DeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def accepted(self) -> DeliveryQuerySet:
        return self.filter(status="accepted")
