"""Notices between processes: one Redis channel. Without Redis nothing loads this, and notices stay in their process.

A notice carries a topic name and nothing else; whoever hears it reads the rows. Redis keeps no
notices, so wherever one may have been lost, everything is rung: by a listener whose
subscription began anew, and by a sender who could not send, as soon as it can.
"""

from __future__ import annotations

import socket
import threading
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings

from apps.live.hub import hub

CHANNEL = "gitops-portal.live"
EVERYTHING = "*"
RETRY_SECONDS = 1.0
PING_SECONDS = 10
DEAD_MILLISECONDS = 15_000
"""A connection on which nothing arrives is asked for a sign of life, and given up when that is not taken for so long."""
subscribed = threading.Event()
"""Set while Redis has the subscription of this process, so that all notices come."""
log = structlog.get_logger(__name__)


def send(topic: str) -> None:
    """Tell the other processes that ``topic`` has news; never raises, never waits long.

    One try waits for a second, and a request tells as many topics as it concerns people: while everything is owed nobody tries.
    """
    if _owed.is_owing or not _publish(topic):
        _owed.owe()


def _publish(topic: str) -> bool:
    try:
        _client().publish(CHANNEL, topic)
    except redis.RedisError as error:
        log.warning("live_notice_not_sent", error=type(error).__name__)
        return False
    return True


class _Owed:
    """Notices that could not be sent: all processes are told that there is news, once that can be said."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self.is_owing = False

    def owe(self) -> None:
        with self._lock:
            self.is_owing = True
            if self._timer is None:
                self._timer = threading.Timer(RETRY_SECONDS, self._pay)
                self._timer.daemon = True
                self._timer.start()

    def _pay(self) -> None:
        with self._lock:
            self._timer = None
        if not _publish(EVERYTHING):
            self.owe()
            return
        with self._lock:  # what came while that was said is owed again
            self.is_owing = self._timer is not None


_owed = _Owed()


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


class Listener(threading.Thread):
    """The one subscriber of this process; reconnects for ever until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(name="live-relay", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:  # also a notice of somebody else, which is no name
                subscribed.clear()
                log.warning("live_relay_lost", error=type(error).__name__)
                self._stopping.wait(RETRY_SECONDS)

    def stop(self) -> None:
        self._stopping.set()

    def _listen(self) -> None:
        connection = redis.Redis.from_url(
            settings.REDIS_URL,
            health_check_interval=PING_SECONDS,
            socket_keepalive=True,
            socket_keepalive_options={socket.TCP_USER_TIMEOUT: DEAD_MILLISECONDS},
        )
        with connection.pubsub() as subscription:  # type: ignore[no-untyped-call]  # not annotated in redis-py
            subscription.subscribe(CHANNEL)
            while not self._stopping.is_set():
                message = subscription.get_message(timeout=1.0)
                if message is not None:
                    _hear(message)


def _hear(message: dict[str, Any]) -> None:
    """A notice, or that the subscription began, also after redis-py mended a connection by itself."""
    if message["type"] == "subscribe":
        subscribed.set()
        hub.ring_all()
    elif message["data"] == EVERYTHING.encode():
        hub.ring_all()
    elif message["type"] == "message":
        hub.ring(message["data"].decode())
