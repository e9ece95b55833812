"""Whether this process can do its work: one word a part, and no detail that would help a stranger."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import structlog
from django.conf import settings
from django.db import close_old_connections, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from apps.operations.draining import is_draining
from apps.vcs.version import require_git

KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 3.0
OK, FAILED, AWAY, FULL, DRAINING, SILENT = "ok", "failed", "away", "full", "draining", "no answer"
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
SERVES, WORKS = frozenset({OK, AWAY, FULL}), frozenset({OK, AWAY})
"""Words with which a server still answers, and a worker still works: on a full disk people read, and nothing can be carried out."""
log = structlog.get_logger(__name__)
Parts = dict[str, str]


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Those of this version, read from its files once: a check reads 60 of them otherwise."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


def _migrations() -> str:
    return OK if _known_migrations() <= set(MigrationRecorder(connection).applied_migrations()) else "missing"


def _cache() -> str:
    """Redis, for cache, notices and wake-ups. Away is said and is no reason to leave: the portal goes on without it."""
    import redis  # loaded only where it is configured

    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return AWAY
    return OK


def _git() -> str:
    require_git()
    return OK


def _data() -> str:
    """Really written, because permissions do not tell about a full or read-only disk."""
    try:
        with tempfile.TemporaryFile(dir=settings.PORTAL_DATA_DIR) as file:
            file.write(b"ready?")
            file.flush()
    except OSError as problem:
        if problem.errno in NO_SPACE:
            return FULL
        raise
    return OK


def checks() -> dict[str, Callable[[], str]]:
    found = {"database": _database, "migrations": _migrations, "git": _git, "data": _data}
    return {**found, "cache": _cache} if settings.REDIS_URL else found


def look() -> Parts:
    """Every part and its word; what was raised goes to the log, never into the answer."""
    parts: Parts = {}
    close_old_connections()
    for name, check in checks().items():
        try:
            parts[name] = check()
        except Exception as problem:  # noqa: BLE001  # whatever it is, the part does not work
            log.warning("not_ready", part=name, error=type(problem).__name__)
            parts[name] = FAILED
    close_old_connections()
    return parts


class Readiness:
    """Looks at most once a second, in one thread of its own, however many ask; a look that hangs holds up nobody."""

    def __init__(self, look: Callable[[], Parts] = look) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._running: Future[Parts] | None = None
        self._parts: Parts = {}
        self._at = float("-inf")

    async def parts(self) -> Parts:
        """What was found less than a second ago, or is found now."""
        if is_draining():
            return {"process": DRAINING}
        if time.monotonic() - self._at < KEPT_SECONDS:
            return self._parts
        if self._running is None or self._running.done():
            self._running = self._thread.submit(self._look_and_keep)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._running)), PATIENCE_SECONDS)
        except TimeoutError:
            return {"checks": SILENT}

    def _look_and_keep(self) -> Parts:
        """Kept by the thread that looked: a busy event loop would find the look done and its answer not yet there."""
        self._parts = self._look()
        self._at = time.monotonic()
        return self._parts


def is_ready(parts: Parts, *, serves: bool) -> bool:
    """``serves``: this process is a server."""
    return all(word in (SERVES if serves else WORKS) for word in parts.values())
