"""Whether this process is about to end. It then answers as before, and tells balancers to send nobody new."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)
_draining = threading.Event()


def is_draining() -> bool:
    return _draining.is_set()


def begin() -> None:
    _draining.set()


def reset() -> None:
    """The process begins (again); tests start several servers in one process."""
    _draining.clear()


def drain_before_stopping() -> None:
    """From now on SIGTERM makes ``/readyz`` say 503 at once, and stops the server ``PORTAL_DRAIN_SECONDS`` later.

    The server has set its own handler before its lifespan begins, and gets the signal from ours. Without the
    pause a balancer would go on sending people to a port that is closed already.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a server in a thread, as in tests: signals are not ours
    stop = signal.getsignal(signal.SIGTERM)
    if callable(stop):
        signal.signal(signal.SIGTERM, _draining_first(stop, settings.PORTAL_DRAIN_SECONDS))


def _draining_first(stop: Callable[[int, FrameType | None], Any], seconds: float) -> Callable[[int, Any], None]:
    def on_signal(number: int, frame: FrameType | None) -> None:
        if is_draining() or seconds <= 0:  # asked twice: whoever asks has no patience left
            begin()
            stop(number, frame)
            return
        begin()
        threading.Thread(target=_stop_later, args=(stop, number, seconds), name="draining", daemon=True).start()

    return on_signal


def _stop_later(stop: Callable[[int, FrameType | None], Any], number: int, seconds: float) -> None:
    log.info("draining", seconds=seconds)
    time.sleep(seconds)
    stop(number, None)
