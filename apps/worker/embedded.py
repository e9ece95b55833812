"""The embedded engine: one scheduler and a few small thread pools in whatever process starts it.

It holds nothing that matters: rows say what is due, leases say who works on it. So any number of
engines may run side by side, and one that is killed loses time only. Threads, never a fork: a
forked copy of an open SQLite connection can damage the file (RELIABILITY finding 7).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

import structlog
from django.db import close_old_connections, connections

from apps.core import tracing
from apps.core.tracing import Cause
from apps.core.work import COMMANDS, COMMON, LIVE, MERGES, STARTS, Job, pause_after, work_requested
from apps.worker.database import is_away
from apps.worker.registry import jobs
from apps.worker.threads import Threads

log = structlog.get_logger(__name__)
SHORT = "short"
THREADS = {SHORT: 2, COMMON: 8, LIVE: 3, STARTS: 3, MERGES: 3, COMMANDS: 3}
"""By what takes them: short work, or a lane of slow work."""
MOST_OF_ONE = 3
"""Slow threads that one kind of work may hold: Git hosts that do not answer must not stop what else is slow."""
SWEEP_LIMIT = 100
AWAY_SECONDS = 0.5
"""Until a database that was away is asked again; that it was is no failure of any unit, and makes no pause longer."""
Unit = tuple[str, int]


class Outcome(Enum):
    """How a unit ended."""

    DONE = "done"
    FAILED = "failed"
    DATABASE_AWAY = "database_away"


class Engine:
    """``start()`` … ``stop()``. Wakes on ``work_requested``, sweeps every job's ``due`` beside."""

    def __init__(self, offered: dict[str, Job] | None = None) -> None:
        self.jobs = jobs() if offered is None else offered
        self._changed = threading.Condition()
        self._wanted: dict[Unit, None] = {}  # an ordered set
        self._running: set[Unit] = set()
        self._again: set[Unit] = set()
        self._causes: dict[Unit, Cause] = {}  # of those that were asked for, where traces are recorded
        self._failures: dict[Unit, tuple[int, float]] = {}  # how often in a row, not before (monotonic s)
        self._next_sweep = dict.fromkeys(self.jobs, 0.0)
        self._stopping = self._is_away = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in threads of this process; returns at once."""
        self._pools = {name: Threads(count, f"engine-{name}") for name, count in THREADS.items()}
        work_requested.connect(self.wake, dispatch_uid=f"engine-{id(self)}")
        self._thread = threading.Thread(target=self._schedule, name="engine", daemon=True)
        self._thread.start()
        log.info("engine_started", jobs=sorted(self.jobs))

    def stop(self, timeout: float = 10.0) -> None:
        """Take no new unit, wait for the running ones at most ``timeout`` s; leases cover the rest, which ends with the process."""
        work_requested.disconnect(dispatch_uid=f"engine-{id(self)}")
        with self._changed:
            self._stopping = True
            self._wanted.clear()
            self._changed.notify_all()
        until = time.monotonic() + timeout
        if self._thread is not None:
            self._thread.join(timeout)
        with self._changed:
            while self._running and time.monotonic() < until:
                self._changed.wait(0.1)
        for pool in self._pools.values():
            pool.close(timeout=max(0.0, until - time.monotonic()))
        log.info("engine_stopped", left=sorted(self._running))

    def carry_out(self, run: Callable[[int], None], name: str, pk: int, cause: Cause) -> Outcome:
        """Do one unit in this thread."""
        return run_unit(run, name, pk, cause)

    def wake(self, name: str, pk: int, **_: Any) -> None:
        """Do one unit soon; called after a commit, in the thread that committed."""
        if name not in self.jobs:
            return
        with self._changed:
            self._failures.pop((name, pk), None)
            if cause := tracing.cause():
                self._causes[(name, pk)] = cause
            self._want((name, pk))
            self._changed.notify_all()

    def _want(self, unit: Unit) -> None:
        if unit in self._running:
            self._again.add(unit)  # what it is asked for now, the running one may have passed already
        else:
            self._wanted[unit] = None

    def _schedule(self) -> None:
        while not self._stopping:
            try:
                self._sweep()
                self._note_away(is_so=False)
                close_old_connections()
                with self._changed:
                    self._hand_out()  # what is still wanted then waits for a thread that ends
                    self._changed.wait(self._pause())
            except Exception as problem:  # the loop outlives whatever happens to one round
                if is_away(problem):
                    self._note_away(is_so=True)
                    close_old_connections()
                    time.sleep(AWAY_SECONDS)
                else:
                    log.exception("engine_round_failed")
                    time.sleep(1.0)
        connections.close_all()

    def _note_away(self, *, is_so: bool) -> None:
        """Once for each time that the database is away."""
        if is_so != self._is_away:
            self._is_away = is_so
            log.warning("database_away" if is_so else "database_back")

    def _pause(self) -> float:
        return max(0.01, min(self._next_sweep.values(), default=1.0) - time.monotonic())

    def _sweep(self) -> None:
        """Ask every job whose time has come what is due; what a lost wake-up left is found here.

        Raises what it met where the database is away: then no other job can tell, either.
        """
        for name, job in self.jobs.items():
            moment = time.monotonic()
            if moment < self._next_sweep[name]:
                continue
            self._next_sweep[name] = moment + job.every
            try:
                due = list(job.due(SWEEP_LIMIT))
            except Exception as problem:
                if is_away(problem):
                    self._next_sweep[name] = moment
                    raise
                log.exception("sweep_failed", job=name)
                self._next_sweep[name] = moment + max(job.every, 5.0)
                continue
            with self._changed:
                for pk in due:
                    if (name, pk) not in self._running and self._may_try((name, pk), moment):
                        self._wanted[(name, pk)] = None

    def _may_try(self, unit: Unit, moment: float) -> bool:
        return moment >= self._failures.get(unit, (0, 0.0))[1]

    def _hand_out(self) -> None:
        """Give the wanted units to the pools, as far as their kind has room; the condition is held."""
        wanted, self._wanted = list(self._wanted), {}
        held = Counter(name for name, _ in self._running)
        for unit in wanted:
            job = self.jobs[unit[0]]
            if unit in self._running:
                continue
            if job.slow and held[job.name] >= MOST_OF_ONE:
                self._wanted[unit] = None
                continue
            held[job.name] += 1
            self._running.add(unit)
            self._pools[job.lane if job.slow else SHORT].submit(self._run, unit)

    def _run(self, unit: Unit) -> None:
        name, pk = unit
        with self._changed:
            cause = self._causes.pop(unit, {})
        outcome = Outcome.DONE if self._stopping else self.carry_out(self.jobs[name].run, name, pk, cause)
        with self._changed:
            self._running.discard(unit)
            self._note_outcome(unit, outcome)
            if unit in self._again:
                self._again.discard(unit)
                if not self._stopping:
                    self._wanted[unit] = None
            self._changed.notify_all()

    def _note_outcome(self, unit: Unit, outcome: Outcome) -> None:
        """When it may be tried again; the condition is held."""
        count, moment = self._failures.get(unit, (0, 0.0))[0], time.monotonic()
        if outcome is Outcome.DONE:
            self._failures.pop(unit, None)
        elif outcome is Outcome.FAILED:
            self._failures[unit] = (count + 1, moment + pause_after(count + 1))
        else:  # whoever woke it does not come again
            self._failures[unit] = (count, moment + AWAY_SECONDS)
            self._next_sweep[unit[0]] = min(self._next_sweep[unit[0]], moment + AWAY_SECONDS)


def run_unit(run: Callable[[int], None], name: str, pk: int, cause: Cause | None = None) -> Outcome:
    """Do one unit with connections of its own; a log line tells when it raised. ``cause``: the span that asked for it."""
    close_old_connections()
    try:
        with tracing.span(name, kind="consumer", cause=cause, facts={"portal.job": name, "portal.unit": pk}):
            run(pk)
    except Exception as problem:
        if is_away(problem):
            log.warning("unit_put_off", job=name, pk=pk, problem="the database is away")
            return Outcome.DATABASE_AWAY
        log.exception("unit_failed", job=name, pk=pk)
        return Outcome.FAILED
    finally:
        close_old_connections()
    return Outcome.DONE
