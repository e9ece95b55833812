"""A deployment with a log, a server in a thread, and a page of Chromium that watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from playwright.sync_api import Browser, Page

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, Step
from apps.deployments.transitions import append_event
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import cookie_of, log_event

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]
"""The marks of a module whose tests use a :class:`Scene`."""
COUNT_SOCKETS = """(() => {
  const Real = WebSocket;
  window.opened = [];
  window.WebSocket = class extends Real { constructor(url) { super(url); window.opened.push(this); } };
})()"""
NO_SOCKETS = (
    "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 10); } close() {} }"
)
SHIFTS = """() => {
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.shifted.push([one.value, Math.round(one.startTime), ...one.sources.map((s) => `${s.previousRect.x},${s.previousRect.y} → ${s.currentRect.x},${s.currentRect.y} ${s.currentRect.width}x${s.currentRect.height}`), ...one.sources.map(({ node }) => (node?.outerHTML || node?.textContent || '').slice(0, 120))]);
  }).observe({ type: 'layout-shift' });
}"""
"""Every layout shift from now on is in ``window.shifted``: how much, when, from where to where, of what."""
LINES = "[...document.querySelectorAll('.log-view .ll')].map((row) => row.id)"
RUNBOOKS = {"docs/runbooks/quota.md": "---\nfor: {words: [quota exceeded]}\n---\n# Raise the quota\n"}
VIEW = "document.querySelector('#step-apply .log-view')"


def apart(work: Callable[[], Any]) -> Any:
    """``work`` in a thread of its own: the browser's loop runs in this one, and Django refuses to wait in a loop."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return found[0]


class Scene:
    """A deployment with a log, the server, and a page of alice that looks at it."""

    def __init__(self, browser: Browser, tmp_path: Path, port: int) -> None:
        self.port = port
        self.delivery, self.row, self.cookie = apart(lambda: self._set_up(tmp_path))
        self.context = browser.new_context(base_url=f"http://127.0.0.1:{port}", viewport={"width": 1200, "height": 700})
        name, value = self.cookie.split("=", 1)
        self.context.add_cookies([{"name": name, "value": value, "url": f"http://127.0.0.1:{port}"}])
        self.errors: list[str] = []
        self.lines = 0

    @staticmethod
    def _set_up(tmp_path: Path) -> tuple[Delivery, Deployment, str]:
        delivery = Delivery.start(tmp_path, f"{pipeline()}runbooks: docs/runbooks\n", RUNBOOKS)
        row = delivery.deployment(delivery.merged())
        return delivery, row, cookie_of(delivery.people.alice)

    def run(self) -> None:
        """A worker has begun with step ``apply``; ``verify`` comes behind it."""

        def begin() -> None:
            Deployment.objects.filter(pk=self.row.pk).update(status="running", started_at=now(), attempts=1, waits=[])
            attempt = Attempt.objects.create(deployment=self.row, number=1, key="k1", started_at=now())
            steps = [Step(attempt=attempt, position=0, name="apply", status="running", launched_at=now()),
                     Step(attempt=attempt, position=1, name="verify")]  # fmt: skip
            Step.objects.bulk_create(steps)

        apart(begin)

    def event(self, text: str, *, kind: str = "state", status: str = "running", **columns: Any) -> None:
        """One more numbered fact, as the worker writes it."""

        def write() -> None:
            with transaction.atomic():
                append_event(self.row, kind=kind, text=text, attempt=1, data={"status": status}, **columns)

        apart(write)

    def write(self, lines: int, text: str = "line") -> None:
        first = self.lines + 1
        apart(lambda: log_event(self.row, first, lines, text=text))
        self.lines += lines

    def run_again(self) -> None:
        """The first attempt has failed and somebody pressed Retry: the second one has begun."""

        def begin() -> None:
            Attempt.objects.filter(deployment=self.row).update(ended_at=now())
            Step.objects.filter(attempt__deployment=self.row).update(status="failed", ended_at=now())
            Deployment.objects.filter(pk=self.row.pk).update(status="running", attempts=2)
            attempt = Attempt.objects.create(deployment=self.row, number=2, key="k2", started_at=now())
            Step.objects.create(attempt=attempt, position=0, name="apply", status="running", launched_at=now())

        apart(begin)

    def open(self, script: str = COUNT_SOCKETS) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.add_init_script(script)
        page.goto(f"/deployments/{self.row.number}/")
        return page


def wait_until(page: Page, expression: str, seconds: float = 15.0) -> None:
    """Until ``expression`` is true; Playwright's own way evaluates text in the page, which the policy forbids."""
    until = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < until, f"It did not become true: {expression}"
        page.wait_for_timeout(20)


def ids(first: int, last: int) -> list[str]:
    return [f"step-apply-L{number}" for number in range(first, last + 1)]
