"""How a context offers background work, and how it asks for it to be done soon.

Rows are the truth: ``due()`` finds units in the database, ``run(pk)`` does one of them
idempotently. A wake-up only shortens the wait, so a lost one costs time, never work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.dispatch import Signal

from apps.core.clock import now

LONGEST_PAUSE = 60.0
MOST_DOUBLINGS = 10
COMMON, LIVE, STARTS, MERGES, COMMANDS = "common", "live", "starts", "merges", "commands"
"""Lanes of slow work: what runs is followed and begun, merges are carried out, and commands are asked by threads that nothing else takes."""

work_requested = Signal()
"""Sent after commit with ``name`` (str) and ``pk`` (int); the engine listens."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work.

    ``name``: ``context.what``. ``due(limit)``: primary keys of rows that want work now.
    ``run(pk)``: does the unit; safe to call twice, at the same time, and after a crash.
    ``every``: seconds between sweeps when nothing wakes the engine.
    ``slow``: may run for minutes (kept off the threads that do short work).
    ``lane``: of slow work, whose threads it takes.
    """

    name: str
    due: Callable[[int], Iterable[int]]
    run: Callable[[int], None]
    every: float = 2.0
    slow: bool = False
    lane: str = COMMON


def pause_after(failures: int, *, first: float = 1.0, longest: float = LONGEST_PAUSE) -> float:
    """Seconds until something that failed ``failures`` times before is tried again: ``first``, doubled each time."""
    return min(longest, first * 2.0 ** min(failures, MOST_DOUBLINGS))


def has_come(column: str, longest: timedelta) -> Q:
    """Whether the moment in ``column`` has come; nothing is put off for more than ``longest``, except by a clock that was ahead."""
    moment = now()
    is_far = Q(**{f"{column}__gt": moment + 2 * longest})
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lte": moment}) | is_far


def request_work(name: str, pk: int) -> None:
    """Wake the engine for unit ``pk`` of job ``name`` once the transaction has committed."""
    transaction.on_commit(lambda: work_requested.send(sender=None, name=name, pk=pk))
