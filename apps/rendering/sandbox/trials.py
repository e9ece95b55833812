"""What works on this machine, found by trying it: what works once a process, and what failed anew after a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

FAILED_AGAIN_SECONDS = 60.0


class Trials:
    """Outcomes by what was tried; one trial at a time."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[bool, float]] = {}
        self._lock = threading.Lock()

    def works(self, key: Hashable, attempt: Callable[[], bool]) -> bool:
        """How ``attempt`` went for ``key``; it is called where that is not known, or not any more."""
        with self._lock:
            works, until = self._found.get(key, (False, 0.0))
            if time.monotonic() >= until:
                works = attempt()
                self._found[key] = (works, float("inf") if works else time.monotonic() + FAILED_AGAIN_SECONDS)
            return works
