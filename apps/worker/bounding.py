"""How many threads of one Celery worker one kind of slow work may hold.

The embedded loop knows what it has handed out. A worker takes what comes, and twenty Git hosts that do not answer would hold
each of its threads. So a unit over the bound is laid aside, which holds no thread, and is done by the thread that ends one of its kind.
What is laid aside is in no queue any more: when the worker dies the sweeper finds it, as it finds what a queue lost.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from apps.core.tracing import Cause

SHARE = 3 / 8
"""Of the threads of a worker, for one kind."""
FORGOTTEN_AFTER = 60.0
"""Seconds after which what was laid aside is left to the sweeper: somebody else may have done it long ago."""
Act = Callable[[int, Cause], object]


class Bound:
    """Lets each kind of work hold at most ``most`` threads at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._aside: dict[str, dict[int, tuple[Cause, float]]] = {}
        self._stopping = False

    def resize(self, threads: int) -> None:
        """For a worker of so many threads."""
        self.most = max(1, int(threads * SHARE))

    def stop(self) -> None:
        """Take up nothing more that was laid aside: this process ends."""
        self._stopping = True

    def do(self, name: str, pk: int, cause: Cause, act: Act) -> None:
        """Do unit ``pk`` and then what was laid aside of its kind; or lay it aside. ``act`` keeps its own errors."""
        with self._lock:
            if self._held[name] >= self.most:
                self._aside.setdefault(name, {})[pk] = cause, time.monotonic()
                return
            self._held[name] += 1
        unit: tuple[int, Cause] | None = (pk, cause)
        while unit:
            try:
                act(*unit)
            except BaseException:  # the thread itself is ended
                with self._lock:
                    self._held[name] -= 1
                raise
            unit = self._next(name)

    def _next(self, name: str) -> tuple[int, Cause] | None:
        with self._lock:
            aside = self._aside.get(name, {})
            while aside and not self._stopping:
                pk = next(iter(aside))
                cause, since = aside.pop(pk)
                if time.monotonic() - since < FORGOTTEN_AFTER:
                    return pk, cause
            self._held[name] -= 1
            return None
