"""Redis as a cache that may be away: what it would have told is asked of the database, or kept in this process.

Sessions and everything else differ. A session that is read from a copy in this process could
outlive its end by minutes, so sessions have no second copy: while Redis is away they are read
from the database, and ending one fails loudly instead of leaving a copy behind in Redis.

Redis is reached by more than the portal's servers: the code of a plan has the network of its worker. To unpickle what stands
there would let whoever writes there run code here, so every value is signed, and one whose signature is another's is a miss.
"""

from __future__ import annotations

import hmac
import json
import pickle
from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)
SHORT = {"socket_connect_timeout": 1, "socket_timeout": 2, "retry": Retry(NoBackoff(), 1)}
"""Seconds. A page that waits longer for a cache than for the database has lost by it; the default tries for seconds.
One more try is for a connection of the pool that Redis closed meanwhile."""
SIGNATURE_BYTES = 32


class NotOursError(RedisError):
    """What stands there was not written by this portal, or under another key: as good as a Redis that is away."""


class SignedPickles:
    """``serializer`` of a cache: HMAC-SHA-256 (32 bytes), then the pickled value. Integers stay bare, as Redis counts them."""

    def dumps(self, value: Any) -> bytes | int:
        return value if type(value) is int else _signed(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    def loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return pickle.loads(_checked(data))  # noqa: S301  # written by this portal


class SignedJson:
    """``serializer`` of sessions, which are plain dictionaries."""

    def dumps(self, value: Any) -> bytes:
        return _signed(json.dumps(value, separators=(",", ":")).encode())

    def loads(self, data: bytes) -> Any:
        return json.loads(_checked(data))


def _key() -> bytes:
    from apps.core.secrets import derived_key  # the settings load this module

    return derived_key("caches/v1")


def _signed(body: bytes) -> bytes:
    return hmac.digest(_key(), body, "sha256") + body


def _checked(data: bytes) -> bytes:
    body = data[SIGNATURE_BYTES:]
    if not hmac.compare_digest(data[:SIGNATURE_BYTES], hmac.digest(_key(), body, "sha256")):
        raise NotOursError("a value of the cache has another signature")
    return body


class SessionCache(RedisCache):
    """Reads miss and writes are dropped while Redis is away; ``delete`` raises."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError as problem:
            log.warning("cache_away", error=type(problem).__name__)
            return default

    def has_key(self, key: Any, version: int | None = None) -> bool:
        try:
            return bool(super().has_key(key, version))
        except RedisError as problem:
            log.warning("cache_away", error=type(problem).__name__)
            return False

    def set(self, key: Any, value: Any, *rest: Any, **options: Any) -> None:
        try:
            super().set(key, value, *rest, **options)
        except RedisError as problem:
            log.warning("cache_away", error=type(problem).__name__)


class SharedCache(RedisCache):
    """While Redis is away, what this process remembers itself: limits of attempts go on counting."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("while-redis-is-away", {"OPTIONS": {"MAX_ENTRIES": 5000}})

    def _either(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(super(), method)(*arguments, **options)
        except RedisError as problem:
            log.warning("cache_away", error=type(problem).__name__)
            return getattr(self._own, method)(*arguments, **options)

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self._either("get", *arguments, **options)

    def add(self, *arguments: Any, **options: Any) -> Any:
        return self._either("add", *arguments, **options)

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._either("set", *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> Any:
        return self._either("delete", *arguments, **options)


def on_redis(url: str) -> dict[str, Any]:
    """``CACHES`` of the settings. Before version 2 of ``default`` values were not signed, and cannot be read by who wrote them so."""
    return {
        "default": {
            "BACKEND": f"{__name__}.SharedCache",
            "LOCATION": url,
            "VERSION": 2,
            "OPTIONS": {**SHORT, "serializer": SignedPickles},
        },
        "sessions": {
            "BACKEND": f"{__name__}.SessionCache",
            "LOCATION": url,
            "OPTIONS": {**SHORT, "serializer": SignedJson},
        },
    }
