"""The scaled-out engine: one Celery task that does one unit of any job.

A message may be lost or come twice, because every unit is idempotent and leased; what a lost one, or
a worker that is killed, leaves behind is found by the sweep (``manage.py run_engine --send-to-celery``).
"""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_shutting_down

from apps.worker.bounding import Bound
from apps.worker.dispatching import CAUSE
from apps.worker.embedded import run_unit as run_one
from apps.worker.registry import jobs

BOUND = Bound(lambda job, pk, cause: run_one(job.run, job.name, pk, cause))


@shared_task(name="portal.run_unit", bind=True, acks_late=True, reject_on_worker_lost=True, ignore_result=True)  # type: ignore[untyped-decorator]
def run_unit(self: Any, name: str, pk: int) -> None:
    """Do unit ``pk`` of job ``name``; a name that this version does not know is left to one that does."""
    job = jobs().get(name)
    if job is None:
        return
    cause = self.request.get(CAUSE) or {}
    if job.slow:
        BOUND.do(job, pk, cause)
    else:
        run_one(job.run, name, pk, cause)


@worker_init.connect  # type: ignore[untyped-decorator]
def know_the_threads(sender: Any, **_facts: object) -> None:
    """``sender`` is the worker before it makes its pool."""
    BOUND.resize(int(sender.concurrency or 1))


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def leave_what_was_laid_aside(**_facts: object) -> None:
    """A worker that is told to stop ends what it does and begins nothing."""
    BOUND.stop()
