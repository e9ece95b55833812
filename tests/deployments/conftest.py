"""A delivery whose staging is deployed by a receiver of signed webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from tests.support.delivery import Delivery
from tests.support.health import Site, web_site
from tests.support.outside import delivery_via
from tests.support.receiver import SECRET, Receiver, receiver

DEPLOY = "via: webhook, connection: corp, path: /deploy, payload: {size: 3}, timeout: 10m"


@pytest.fixture
def there(settings: Any) -> Iterator[Receiver]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with receiver() as found:
        yield found


@pytest.fixture
def delivery(tmp_path: Path, there: Receiver) -> Delivery:
    return delivery_via(tmp_path, DEPLOY, kind="webhook", url=there.url, values={"secret": SECRET})


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 30
    with web_site() as here:
        yield here


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the portal's clock on."""
    moved = {"by": timedelta(0)}
    real = clock.now
    for module in ("jobs.health", "jobs.following", "jobs.starting", "transitions.ending"):
        monkeypatch.setattr(f"apps.deployments.{module}.now", lambda: real() + moved["by"])

    def go(seconds: float) -> None:
        moved["by"] += timedelta(seconds=seconds)

    return go
