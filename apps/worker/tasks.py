"""The scaled-out engine: one Celery task that does one unit of any job.

A message may be lost or come twice, because every unit is idempotent and leased; what a lost one, or
a worker that is killed, leaves behind is found by the sweep (``manage.py run_engine --send-to-celery``).
"""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.worker.dispatching import CAUSE
from apps.worker.embedded import run_unit as run_one
from apps.worker.registry import jobs


@shared_task(name="portal.run_unit", bind=True, acks_late=True, reject_on_worker_lost=True, ignore_result=True)  # type: ignore[untyped-decorator]
def run_unit(self: Any, name: str, pk: int) -> None:
    """Do unit ``pk`` of job ``name``; a name that this version does not know is left to one that does."""
    job = jobs().get(name)
    if job is not None:
        run_one(job.run, name, pk, self.request.get(CAUSE))
