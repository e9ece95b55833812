"""Two server processes and one worker: news goes through Redis, and what is lost there costs only time."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import cookie_of, events_until, log_event, socket

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The test database, as another process names it."""
    parts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{parts['NAME']}"
    return f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT'] or 5432}/{parts['NAME']}"


@contextmanager
def process(data_dir: Path) -> Iterator[int]:
    """A server process of its own; yields its port."""
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
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


@pytest.fixture
def row(tmp_path: Path) -> Deployment:
    if not settings.REDIS_URL:
        pytest.skip("NOT RUN: no REDIS_URL")
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    row.cookie = cookie_of(delivery.people.alice)  # type: ignore[attr-defined]
    return row


def test_viewers_of_two_processes_hear_of_a_line_that_a_third_one_wrote(row: Deployment, data_dir: Path):
    path = f"/ws/deployments/{row.number}/"
    with ExitStack() as stack:
        ports = [stack.enter_context(process(data_dir)) for _ in range(2)]
        opened = [stack.enter_context(socket(port, path, row.cookie)) for port in ports]  # type: ignore[attr-defined]
        for one in opened:
            events_until(one, row.last_event)
        time.sleep(1.5)  # both listeners have subscribed
        for turn in range(5):
            begun = time.monotonic()
            newest = log_event(row, turn + 1, 1)
            for one in opened:
                assert events_until(one, newest)[-1]["seq"] == newest
            assert time.monotonic() - begun < 3, "it came by the heartbeat and not through Redis"
