"""What this process counts about itself, in the Prometheus text format.

Every process has its own numbers; Prometheus adds them up. Labels come from closed lists (routes, methods,
statuses, jobs), so that no stranger's address can make the number of series grow.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.live.hub import hub
from apps.operations.ledger import LedgerCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)
requests = Counter(
    "portal_http_requests", "Answered requests.", ("route", "method", "status"), registry=registry
)  # fmt: skip
durations = Histogram(
    "portal_http_request_duration_seconds",
    "From the first to the last middleware; sending is not in it.",
    ("route",),
    buckets=SECONDS,
    registry=registry,
)
leases_lost = Counter("portal_leases_lost", "Leases that somebody else had taken when they were to be renewed, or something was to be written under them.", registry=registry)  # fmt: skip


class SocketCollector(Collector):
    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("portal_open_sockets", "WebSockets open in this process.", value=hub.open_sockets)


class SpaceCollector(Collector):
    def collect(self) -> Iterable[Metric]:
        """Nothing where the directory cannot be asked: no number would be true."""
        try:
            free = shutil.disk_usage(settings.PORTAL_DATA_DIR).free
        except OSError:
            return
        yield GaugeMetricFamily("portal_data_free_bytes", "Space left for the data directory.", value=free)


registry.register(SocketCollector())
registry.register(SpaceCollector())
ledger = LedgerCollector()
registry.register(ledger)


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    requests.labels(route, method if method in METHODS else "OTHER", str(status)).inc()
    durations.labels(route).observe(seconds)


def count_lost_lease(sender: Any, **_facts: Any) -> None:
    leases_lost.inc()


def text() -> bytes:
    """All of it; asks the database at most every ten seconds."""
    return generate_latest(registry)
