"""Two server processes and one worker: news goes through Redis, and what is lost there costs only time."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings

from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, pipeline
from tests.support.live_server import process
from tests.support.sockets import cookie_of, events_until, log_event, socket

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).resolve().parents[2]


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
