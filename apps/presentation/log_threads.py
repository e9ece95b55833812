"""What people said about lines of a deployment's log, beside the log."""

from __future__ import annotations

from dataclasses import dataclass

from apps.deployments.models import Deployment
from apps.presentation.discussion import place_url, threads_with_first_words
from apps.presentation.thread_bars import Bar, bar_of
from apps.reviews.models import Thread


@dataclass(frozen=True, slots=True)
class LogThread:
    """One thread; ``url`` leads to it, ``line_url`` to its line in the log."""

    bar: Bar
    url: str
    line_url: str


def log_threads(deployment: Deployment) -> tuple[LogThread, ...]:
    """The threads about any line that ``deployment`` printed, in any of its attempts; one query."""
    change = deployment.change
    rows = threads_with_first_words(change).filter(
        scope=Thread.Scope.LOG, locator__startswith=f"d-{deployment.number} "
    )
    return tuple(
        LogThread(bar_of(row), f"/changes/{change.number}/#thread-{row.number}", place_url(change, row)) for row in rows
    )
