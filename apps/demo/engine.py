"""Doing the background work of the story at once, in order, in this process."""

from __future__ import annotations

import time

from apps.changes.jobs import JOBS as CHANGES
from apps.core.work import Job
from apps.deployments.jobs import JOBS as DEPLOYMENTS
from apps.repositories.jobs import JOBS as REPOSITORIES
from apps.reviews.jobs import JOBS as REVIEWS

JOBS: tuple[Job, ...] = (*REPOSITORIES, *CHANGES, *REVIEWS, *DEPLOYMENTS)
PATIENCE_SECONDS = 120


def settle() -> None:
    """Run due work until nothing is due any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _one_round():
        if time.monotonic() > deadline:
            raise TimeoutError("The demo's background work does not come to rest; see the log above.")


def _one_round() -> bool:
    worked = False
    for job in JOBS:
        for pk in list(job.due(100)):
            job.run(pk)
            worked = True
    return worked
