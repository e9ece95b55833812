"""Runs as a dispatcher gets them, and the small engine that keeps what it tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import http
from apps.deployments.dispatchers.busy import Shut
from apps.deployments.dispatchers.unchanged import Kept
from tests.support.clusters import Cluster
from tests.support.kube import kube


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test learned of an address is nothing that this one knows."""
    monkeypatch.setattr(http, "SHUT", Shut())
    monkeypatch.setattr(http, "KEPT", Kept())


@pytest.fixture(params=["stub", "real"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each such test says the same of both."""
    if request.param == "stub":
        with kube() as found:
            yield Cluster(found.url, "")
        return
    url, ca = os.environ.get("PORTAL_TEST_KUBE_URL"), os.environ.get("PORTAL_TEST_KUBE_CA")
    if not url or not ca:
        pytest.skip("no real API server: PORTAL_TEST_KUBE_URL, PORTAL_TEST_KUBE_CA")
    found_real = Cluster(url, Path(ca).read_text())
    yield found_real
    found_real.client.delete(f"/api/v1/namespaces/{found_real.namespace}")
