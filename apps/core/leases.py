"""A lease with a fencing token: who may work on a row now, and who may no longer.

A lease is a courtesy between our own workers, never a lock for the outside world
(RELIABILITY §3.5): every write of a worker is conditional on its ``fence``. Its time is the
database's, the only clock that workers on several hosts share.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import Error, connection, models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.dispatch import Signal

from apps.core.clock import now
from apps.core.querysets import CasQuerySet
from apps.core.waiting import only_if, while_waiting

log = structlog.get_logger(__name__)
M = TypeVar("M", bound="Leased")
LONGEST_LEASE = 86_400.0
"""Seconds; of work that does not say so itself."""
lease_lost = Signal()
"""Sent once for each :class:`LeaseLost`; for counting, not for acting."""


class LeaseLost(Exception):  # nothing went wrong: somebody newer owns the row
    """Another worker has taken over; the one that sees this stops without a word. To be raised wherever that is found out."""

    def __init__(self) -> None:
        super().__init__()
        lease_lost.send(sender=LeaseLost)


def lease_now() -> Now | datetime:
    """The present moment for columns of leases. SQLite has no clock but this machine's, where all its workers are."""
    return Now() if connection.vendor == "postgresql" else now()


def lease_clock() -> Now | Value:
    """The same as an expression."""
    moment = lease_now()
    return moment if isinstance(moment, Now) else Value(moment)


def short_lease() -> float:
    """The longest one of work that renews its lease while it goes on."""
    return 2.0 * max(settings.PORTAL_LEASE_SECONDS, 1.0)


def is_free(longest: float = LONGEST_LEASE) -> Q:
    """Whether nobody holds the row. A lease for more than ``longest`` seconds was given by a clock that was ahead: it is none."""
    moment = lease_now()
    is_far = Q(lease_until__gt=moment + timedelta(seconds=longest))
    return Q(lease_until__isnull=True) | Q(lease_until__lte=moment) | is_far


class LeasedQuerySet(CasQuerySet[M]):
    def longest_lease(self) -> float:
        """Seconds; twice what is asked for, so that clocks may differ a little."""
        return LONGEST_LEASE

    def free(self) -> Q:
        """Whether nobody holds the row."""
        return is_free(self.longest_lease())

    def unleased(self) -> LeasedQuerySet[M]:
        """Rows that nobody holds now."""
        return self.filter(self.free())

    def claim(self, pk: Any, *, seconds: float, **expected: Any) -> int | None:
        """Take the lease of row ``pk`` if it is free and ``expected`` holds.

        Returns the new fencing token, or ``None`` when somebody else has it.
        """
        row = self.filter(self.free(), pk=pk, **expected).values_list("fence", flat=True).first()
        if row is None:
            return None
        won = self.filter(self.free(), pk=pk, fence=row, **expected).update(
            lease_until=lease_now() + timedelta(seconds=seconds), fence=F("fence") + 1
        )
        return row + 1 if won else None

    def renew(self, pk: Any, *, fence: int, seconds: float) -> bool:
        """Prolong the lease; ``False`` means that it was lost and work must stop."""
        return self.filter(pk=pk, fence=fence).update(lease_until=lease_now() + timedelta(seconds=seconds)) == 1

    @contextmanager
    def kept(self, pk: Any, *, fence: int, seconds: float) -> Iterator[None]:
        """The lease stays ``seconds`` long while the work inside waits for child processes or other systems, however long these
        take, and is renewed directly before each act on one.

        A Git host that says nothing costs minutes, which a lease that is given for the death of a worker cannot have.
        :class:`LeaseLost` in the middle of the work where somebody else has the row all the same.
        """
        due = time.monotonic() + seconds / 3

        def prolong() -> None:
            nonlocal due
            if time.monotonic() < due:
                return
            due = time.monotonic() + seconds / 3
            try:
                self.hold(pk, fence=fence, seconds=seconds)
            except Error as problem:
                # The database is away, or busy: the next beat asks again, and every write is fenced.
                log.warning("lease_not_prolonged", row=self.model._meta.label, problem=type(problem).__name__)

        with while_waiting(prolong), only_if(lambda: self.hold(pk, fence=fence, seconds=seconds)):
            yield

    def hold(self, pk: Any, *, fence: int, seconds: float) -> None:
        """:class:`LeaseLost` unless the row is still ours; a lease that is longer, or was given back, stays as it is."""
        until, mine = lease_now() + timedelta(seconds=seconds), self.filter(pk=pk, fence=fence)
        if not mine.filter(lease_until__lt=until).update(lease_until=until) and not mine.exists():
            raise LeaseLost

    def release(self, pk: Any, *, fence: int) -> bool:
        return self.filter(pk=pk, fence=fence).update(lease_until=None) == 1


class Leased(models.Model):
    """Columns of a leased row."""

    lease_until = models.DateTimeField(null=True, blank=True, db_index=True)
    fence = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True
