"""Whether this process is about to end. It then answers as before, tells balancers to send nobody new, and keeps no connection."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import structlog
from django.conf import settings

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
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


def let_connections_go(application: Application) -> Application:
    """``application`` (HTTP), which answers with ``Connection: close`` while this process is about to end.

    A client or a balancer that keeps its connection would send its next request into a port that closes at that
    moment, and may not send a POST again.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Any) -> None:
            if message["type"] == "http.response.start" and is_draining():
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await application(scope, receive, send_and_close)

    return answer
