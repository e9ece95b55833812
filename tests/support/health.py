"""Deployments whose health is watched: played on look by look, and a web server that is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from apps.deployments import queries
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery
from tests.support.outside import step_engine
from tests.support.serving import serving


class Site:
    """A web server whose answer a test chooses, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, str]] = {"/healthz": (200, "all ok")}
        self.asked: list[tuple[str, str]] = []


@contextmanager
def web_site() -> Iterator[Site]:
    here = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            here.asked.append((self.path, self.headers.get("Authorization", "")))
            status, body = here.answers.get(path, (404, "nothing"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    with serving(Handler) as here.url:
        yield here


def look(row: Deployment) -> Deployment:
    Deployment.objects.filter(pk=row.pk).update(check_at=None)
    step_engine()
    row.refresh_from_db()
    return row


def watched(delivery: Delivery) -> Deployment:
    """A deployment whose run is over and whose health was asked once."""
    return until_asked(delivery.deployment(delivery.merged()))


def until_asked(row: Deployment) -> Deployment:
    for _ in range(400):
        look(row)
        if Attempt.objects.filter(deployment=row).exclude(health={}).exists():
            return row
        time.sleep(0.02)
    raise AssertionError([event.text for event in queries.events(row)])
