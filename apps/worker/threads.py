"""A few threads that take work from one queue and do not hold up the end of their process.

Those of ``concurrent.futures`` are joined when the interpreter ends, so a Git host that says nothing would keep a stopped
engine alive for minutes. What ends in the middle here is what a killed engine leaves: leases cover it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Threads:
    """``count`` threads, from now until :meth:`close`."""

    def __init__(self, count: int, name: str) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._go_on, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, act: Callable[..., object], *given: Any) -> None:
        """Do this as soon as a thread is free."""
        self._work.put((act, given))

    def close(self, timeout: float) -> None:
        """What was submitted is still done; wait for it at most ``timeout`` seconds."""
        for _ in self._threads:
            self._work.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _go_on(self) -> None:
        while (work := self._work.get()) is not None:
            act, given = work
            try:
                act(*given)
            except Exception:  # the next one is not to suffer
                log.exception("thread_failed")
