"""Chromium at a page of a deployment that is served by a thread of the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from apps.live import feeds
from tests.support.sockets import running_server
from tests.support.watching import Scene


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """One for each test: while its loop runs in this thread, the database cannot be emptied behind the test."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        pytest.skip("NOT RUN: there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def scene(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(feeds, "BEAT_SECONDS", 1.0)
    with running_server() as port:
        found = Scene(chromium, tmp_path, port)
        yield found
        found.context.close()
    connections.close_all()
    assert found.errors == []
