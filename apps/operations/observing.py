"""Traces of this process, if they are switched on: from when it begins to serve until it stops."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings

from apps.core import tracing

log = structlog.get_logger(__name__)
_running: list[Any] = []


def begin(**_facts: Any) -> None:
    """In the process that serves, not where it was set up: a thread sends spans, and threads do not survive a fork."""
    if settings.PORTAL_TRACES and not _running:
        from apps.operations.tracing import begin as begin_recording

        _running.append(begin_recording())
        log.info("traces_are_sent")


def end() -> None:
    """Send what waits. A worker that ends by itself is also told by the library at its exit."""
    tracing.record_with(None)
    while _running:
        _running.pop().end()
