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


class OwnRedis:
    """Keeps nothing on disk, so that a restart empties it. Loudly skipped where there is no ``redis-server``.

    ``prefix``: a command to run it by, on another host; then it is not waited for.
    """

    def __init__(self, place: Path, *, host: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("NOT RUN: there is no redis-server")
        port = free_port()
        self.url = f"redis://{host}:{port}/0"
        self.log, self.is_near = place / "redis.log", not prefix
        self.command = [*prefix, binary, "--port", str(port), "--bind", host, "--save", "", "--dir", str(place)]
        self.command += ["--protected-mode", "no"]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        if self.is_near:
            _wait(self.url)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        """As when memory ends: nobody is told."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def own_redis(place: Path, *, host: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Iterator[str]:
    """The address of one that runs as long as this lasts."""
    server = OwnRedis(place, host=host, prefix=prefix)
    server.start()
    try:
        yield server.url
    finally:
        server.close()


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
