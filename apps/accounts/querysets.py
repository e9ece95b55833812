"""Chainable filters of teams, absences and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from apps.accounts.models import Absence, ApiToken, Team, User  # noqa: F401


class TeamQuerySet(models.QuerySet["Team"]):
    def of_member(self, user: User) -> TeamQuerySet:
        return self.filter(memberships__user=user)

    def for_groups(self, groups: set[str]) -> TeamQuerySet:
        """Teams that stand for groups of the identity provider: by ``external_group``, else by equal name."""
        return self.filter(Q(external_group__in=groups) | Q(external_group="", name__in=groups))


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def at(self, moment: datetime) -> AbsenceQuerySet:
        """Absences that last at ``moment``."""
        return self.filter(starts_at__lte=moment, ends_at__gt=moment, cancelled_at=None)

    def not_over(self, moment: datetime) -> AbsenceQuerySet:
        """Those that last at ``moment`` or come later."""
        return self.filter(ends_at__gt=moment, cancelled_at=None)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, at: datetime) -> ApiTokenQuerySet:
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at), revoked_at__isnull=True)
