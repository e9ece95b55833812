"""Chainable filters of the changes context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from apps.changes.lifecycle import OPEN
from apps.core.querysets import CasQuerySet
from apps.repositories.models import Repository

if TYPE_CHECKING:
    from apps.changes.models import ChangeRequest, Revision  # noqa: F401


class ChangeQuerySet(CasQuerySet["ChangeRequest"]):
    def visible_to(self, user: Any) -> ChangeQuerySet:
        """Changes of the repositories that ``user`` may see."""
        return self.filter(repository__in=Repository.objects.visible_to(user))

    def open(self) -> ChangeQuerySet:
        return self.filter(status__in=[str(status) for status in OPEN])


class RevisionQuerySet(models.QuerySet["Revision"]):
    pass
