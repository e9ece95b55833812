"""A lease with a fencing token: who may work on a row now, and who may no longer.

A lease is a courtesy between our own workers, never a lock for the outside world
(RELIABILITY §3.5): every write of a worker is conditional on its ``fence``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import models
from django.db.models import F, Q
from django.dispatch import Signal

from apps.core.clock import now
from apps.core.querysets import CasQuerySet

M = TypeVar("M", bound="Leased")
lease_lost = Signal()
"""Sent by ``renew`` with the model as sender and ``pk``, when somebody else has the row; for counting, not for acting."""


class LeasedQuerySet(CasQuerySet[M]):
    def unleased(self, at: datetime | None = None) -> LeasedQuerySet[M]:
        """Rows that nobody holds at ``at``."""
        moment = at or now()
        return self.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=moment))

    def claim(self, pk: Any, *, seconds: float, **expected: Any) -> int | None:
        """Take the lease of row ``pk`` if it is free and ``expected`` holds.

        Returns the new fencing token, or ``None`` when somebody else has it.
        """
        moment = now()
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=moment)
        row = self.filter(free, pk=pk, **expected).values_list("fence", flat=True).first()
        if row is None:
            return None
        won = self.filter(free, pk=pk, fence=row, **expected).update(
            lease_until=moment + timedelta(seconds=seconds), fence=F("fence") + 1
        )
        return row + 1 if won else None

    def renew(self, pk: Any, *, fence: int, seconds: float) -> bool:
        """Prolong the lease; ``False`` means that it was lost and work must stop."""
        kept = self.filter(pk=pk, fence=fence).update(lease_until=now() + timedelta(seconds=seconds)) == 1
        if not kept:
            lease_lost.send(sender=self.model, pk=pk)
        return kept

    def release(self, pk: Any, *, fence: int) -> bool:
        return self.filter(pk=pk, fence=fence).update(lease_until=None) == 1


class Leased(models.Model):
    """Columns of a leased row."""

    lease_until = models.DateTimeField(null=True, blank=True, db_index=True)
    fence = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True
