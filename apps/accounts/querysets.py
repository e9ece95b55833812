"""Chainable filters of teams and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from apps.accounts.models import ApiToken, Team, User  # noqa: F401


class TeamQuerySet(models.QuerySet["Team"]):
    def of_member(self, user: User) -> TeamQuerySet:
        return self.filter(memberships__user=user)

    def for_groups(self, groups: set[str]) -> TeamQuerySet:
        """Teams that stand for groups of the identity provider: by ``external_group``, else by equal name."""
        return self.filter(Q(external_group__in=groups) | Q(external_group="", name__in=groups))


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, at: datetime) -> ApiTokenQuerySet:
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at), revoked_at__isnull=True)
