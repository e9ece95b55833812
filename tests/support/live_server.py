"""The portal as a server process of its own, on the database of the test."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The test database, as another process names it."""
    parts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{parts['NAME']}"
    return f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT'] or 5432}/{parts['NAME']}"


@contextmanager
def process(data_dir: Path, redis_url: str | None = None) -> Iterator[int]:
    """A server process of its own, without an engine; yields its port. ``redis_url``: that of the tests unless given."""
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL if redis_url is None else redis_url,
        "PORTAL_DATA_DIR": str(data_dir),
        "PORTAL_SECRET_KEY": settings.SECRET_KEY,
        "PORTAL_ENGINE": "none",
    }
    command = [sys.executable, "-m", "uvicorn", "gitops_portal.asgi:application", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 40
        while sockets.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None, server.stderr.read().decode()[-2000:] if server.stderr else ""
            assert time.monotonic() < until
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.communicate(timeout=20)
