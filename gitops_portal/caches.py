"""Redis as a cache that may be away: what it would have told is asked of the database, or kept in this process.

Sessions and everything else differ. A session that is read from a copy in this process could
outlive its end by minutes, so sessions have no second copy: while Redis is away they are read
from the database, and ending one fails loudly instead of leaving a copy behind in Redis.
"""

from __future__ import annotations

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
