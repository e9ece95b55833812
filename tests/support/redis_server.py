"""A Redis of a test's own, which it may empty or stop without harm to others."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.server import free_port

START_SECONDS = 10


@contextmanager
def own_redis(place: Path, *, host: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Iterator[str]:
    """Its address while it runs; loudly skipped where there is no ``redis-server``. ``prefix``: a command to run it by."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("NOT RUN: there is no redis-server")
    port = free_port()
    command = [*prefix, binary, "--port", str(port), "--bind", host, "--save", "", "--dir", str(place)]
    command += ["--protected-mode", "no"]
    with (place / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        if not prefix:
            _wait(f"redis://{host}:{port}/0")
        yield f"redis://{host}:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def _wait(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < until, "redis-server did not start"
                time.sleep(0.05)
