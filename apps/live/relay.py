"""Notices between processes: one Redis channel when Redis is configured, else this process only.

A notice carries a topic name and nothing else. Whoever hears it reads the rows, so a lost
notice delays a screen by one heartbeat and loses nothing.
"""

from __future__ import annotations

import threading
from functools import cache

import redis
import structlog
from django.conf import settings

from apps.live.hub import hub

CHANNEL = "gitops-portal.live"
RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)


def ring(topic: str) -> None:
    """Tell every process that ``topic`` has news; never raises, never waits long."""
    hub.ring(topic)
    if not settings.REDIS_URL:
        return
    try:
        _client().publish(CHANNEL, topic)
    except redis.RedisError as error:
        log.warning("live_notice_not_sent", error=type(error).__name__)


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
            except redis.RedisError as error:
                log.warning("live_relay_lost", error=type(error).__name__)
                self._stopping.wait(RETRY_SECONDS)

    def stop(self) -> None:
        self._stopping.set()

    def _listen(self) -> None:
        connection = redis.Redis.from_url(settings.REDIS_URL)
        with connection.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]  # not annotated in redis-py
            subscription.subscribe(CHANNEL)
            while not self._stopping.is_set():
                message = subscription.get_message(timeout=1.0)
                if message is not None:
                    hub.ring(message["data"].decode())
