"""A lease with a fencing token: who may work on a row now, and who may no longer.

A lease is a courtesy between our own workers, never a lock for the outside world
(RELIABILITY §3.5): every write of a worker is conditional on its ``fence``. Its time is the
database's, the only clock that workers on several hosts share.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.dispatch import Signal

from apps.core.clock import now
from apps.core.querysets import CasQuerySet

M = TypeVar("M", bound="Leased")
lease_lost = Signal()
"""Sent by ``renew`` with the model as sender and ``pk``, when somebody else has the row; for counting, not for acting."""


def lease_now() -> Now | datetime:
    """The present moment for columns of leases. SQLite has no clock but this machine's, where all its workers are."""
    return Now() if connection.vendor == "postgresql" else now()


def is_free() -> Q:
    """Whether nobody holds the row."""
    return Q(lease_until__isnull=True) | Q(lease_until__lte=lease_now())


class LeasedQuerySet(CasQuerySet[M]):
    def unleased(self) -> LeasedQuerySet[M]:
        """Rows that nobody holds now."""
        return self.filter(is_free())

    def claim(self, pk: Any, *, seconds: float, **expected: Any) -> int | None:
        """Take the lease of row ``pk`` if it is free and ``expected`` holds.

        Returns the new fencing token, or ``None`` when somebody else has it.
        """
        row = self.filter(is_free(), pk=pk, **expected).values_list("fence", flat=True).first()
        if row is None:
            return None
        won = self.filter(is_free(), pk=pk, fence=row, **expected).update(
            lease_until=lease_now() + timedelta(seconds=seconds), fence=F("fence") + 1
        )
        return row + 1 if won else None

    def renew(self, pk: Any, *, fence: int, seconds: float) -> bool:
        """Prolong the lease; ``False`` means that it was lost and work must stop."""
        kept = self.filter(pk=pk, fence=fence).update(lease_until=lease_now() + timedelta(seconds=seconds)) == 1
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
