"""How many threads of one Celery worker slow work may hold: each lane of it, and each kind of work within its lane.

The embedded loop has threads for each lane, and knows what it has handed out. A worker takes what comes, and plans, renderings and Git
hosts that do not answer would hold each of its threads. So a unit over a bound is laid aside, which holds no thread, and is done by a thread that ends one of its lane.
What is laid aside is in no queue any more: when the worker dies the sweeper finds it, as it finds what a queue lost.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from apps.core.tracing import Cause
from apps.core.work import COMMANDS, COMMON, LIVE, MERGES, STARTS, Job

SHARES = {COMMON: 5 / 16, LIVE: 4 / 16, STARTS: 2 / 16, MERGES: 2 / 16, COMMANDS: 2 / 16}
"""Of the threads of a worker, for one lane. Together less than all of them: the rest is for short work."""
SHARE_OF_ONE = 4 / 16
"""Of the threads of a worker, for one kind of work."""
FORGOTTEN_AFTER = 60.0
"""Seconds after which what was laid aside is left to the sweeper: somebody else may have done it long ago."""
Act = Callable[[Job, int, Cause], object]


@dataclass(frozen=True, slots=True)
class Unit:
    job: Job
    pk: int
    cause: Cause
    since: float = field(default_factory=time.monotonic)


class Bound:
    """Lets each lane, and each kind of work, hold only so many threads at a time. ``act`` does a unit and keeps its own errors."""

    def __init__(self, act: Act, threads: int = 8) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()  # by lane, and by kind of work
        self._aside: dict[tuple[str, int], Unit] = {}  # oldest first
        self._stopping = False
        self.resize(threads)

    def resize(self, threads: int) -> None:
        """For a worker of so many threads."""
        self.most = {lane: max(1, int(threads * share)) for lane, share in SHARES.items()}
        self.most_of_one = max(1, int(threads * SHARE_OF_ONE))

    def stop(self) -> None:
        """Take up nothing more that was laid aside: this process ends."""
        self._stopping = True

    def do(self, job: Job, pk: int, cause: Cause) -> None:
        """Do unit ``pk`` and then what was laid aside of its lane; or lay it aside."""
        unit: Unit | None = Unit(job, pk, cause)
        with self._lock:
            if not self._has_room(job):
                self._aside[(job.name, pk)] = Unit(job, pk, cause)
                return
            self._held.update((job.lane, job.name))
        while unit is not None:
            try:
                self._act(unit.job, unit.pk, unit.cause)
            finally:  # also where the thread itself is ended
                with self._lock:
                    self._held.subtract((unit.job.lane, unit.job.name))
            unit = self._next(job.lane)

    def _has_room(self, job: Job) -> bool:
        return self._held[job.lane] < self.most[job.lane] and self._held[job.name] < self.most_of_one

    def _next(self, lane: str) -> Unit | None:
        """The oldest that was laid aside of the lane and has room now, which it takes."""
        with self._lock:
            oldest = time.monotonic() - FORGOTTEN_AFTER
            self._aside = {key: unit for key, unit in self._aside.items() if unit.since > oldest}
            for key, unit in self._aside.items():
                if unit.job.lane == lane and not self._stopping and self._has_room(unit.job):
                    del self._aside[key]
                    self._held.update((lane, unit.job.name))
                    return unit
            return None
