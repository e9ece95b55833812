"""Sending units to Celery: on a wake-up after commit, and by sweeping what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from typing import Any

import structlog
from django.conf import settings

from apps.core import tracing
from apps.core.tracing import Cause
from apps.core.work import Job, work_requested
from apps.worker.embedded import Engine, Outcome, Unit
from apps.worker.registry import jobs

log = structlog.get_logger(__name__)
SILENCE_SECONDS = 5.0
SENT_AGAIN_AFTER = 5.0
"""Seconds that a unit which was sent has to be taken up. What is looked for more than once a second, to be live, has no such pause."""
CAUSE = "portal_cause"
"""The header of a message that carries the span in which the unit was asked for; empty where nobody records."""
_silent_until = 0.0


def queue_of(job: Job) -> str:
    """``slow`` or ``short``, behind the prefix by which several portals can share one Redis."""
    return f"{settings.PORTAL_QUEUE_PREFIX}{'slow' if job.slow else 'short'}"


def send(name: str, pk: int, **_: Any) -> None:
    """Queue one unit; a broker that does not answer costs time until the next sweep, never the request: whatever goes wrong here,
    what asked for the unit is committed already.

    One try waits for seconds, and a request wakes several units: after a failure nobody tries for a while.
    """
    global _silent_until  # noqa: PLW0603  # one broker per process
    from apps.worker.tasks import run_unit

    job = jobs().get(name)
    if job is None or time.monotonic() < _silent_until:
        return
    try:
        headers = {CAUSE: dict(tracing.cause())}
        run_unit.apply_async((name, pk), queue=queue_of(job), retry=False, expires=60, headers=headers)
    except Exception as problem:  # noqa: BLE001  # an address that Kombu cannot read raises anything
        _silent_until = time.monotonic() + SILENCE_SECONDS
        log.warning("wake_up_lost", job=name, pk=pk, problem=type(problem).__name__)


def connect() -> None:
    """From now on commits of this process wake Celery workers."""
    work_requested.connect(send, dispatch_uid="celery-wake-up")


class SweepingDispatcher(Engine):
    """The embedded loop, with Celery in the place of its threads."""

    def __init__(self) -> None:
        super().__init__({name: _sending(job) for name, job in jobs().items()})
        self._sent: dict[Unit, float] = {}  # oldest first

    def carry_out(self, run: Callable[[int], None], name: str, pk: int, cause: Cause) -> Outcome:
        """Sending is no work that anybody wants to see: a span begins where the unit is done."""
        run(pk)
        if self.jobs[name].every >= 1:
            self._note_sent((name, pk), time.monotonic())
        return Outcome.DONE

    def _note_sent(self, unit: Unit, moment: float) -> None:
        with self._changed:
            self._sent.pop(unit, None)
            self._sent[unit] = moment
            old = takewhile(lambda sent: moment - sent[1] >= SENT_AGAIN_AFTER, self._sent.items())
            for gone in [one for one, _ in old]:
                del self._sent[gone]

    def _may_try(self, unit: Unit, moment: float) -> bool:
        """Not what waits in a queue already: with each sweep another copy of it would come to stand there."""
        is_fresh = unit in self._sent and moment - self._sent[unit] < SENT_AGAIN_AFTER
        return not is_fresh and super()._may_try(unit, moment)


def _sending(job: Job) -> Job:
    return replace(job, run=lambda pk: send(job.name, pk), every=max(job.every, 0.5))
