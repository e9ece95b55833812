"""What the database says about the whole portal: the same from every process, so take ``max``, never ``sum``.

Read at a scrape, and kept for ten seconds: several Prometheus servers, or a stranger with the token, cost no more
than one. A question that fails leaves its numbers out and is counted in ``portal_ledger_errors``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.db.models import Count, Max, Q
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.audit.models import AuditHead, Publication
from apps.core.clock import now
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, DeploymentEvent, MergeIntent
from apps.worker.registry import jobs

KEPT_SECONDS = 10.0
DEEPEST = 500
"""Rows counted of one queue; deeper is as bad, and counting all would cost what the queue lacks."""
STUCK = timedelta(minutes=5)
log = structlog.get_logger(__name__)


class Ages:
    """Since when a unit is seen due in every look; rows of different jobs have no common column to ask."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, int], float] = {}

    def oldest(self, job: str, due: set[int], moment: float) -> float:
        """Seconds for which the longest waiting unit of ``job`` has been seen due."""
        for unit in [unit for unit in self._since if unit[0] == job and unit[1] not in due]:
            del self._since[unit]
        return max((moment - self._since.setdefault((job, pk), moment) for pk in due), default=0.0)


class LedgerCollector(Collector):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ages = Ages()
        self._found: list[Metric] = []
        self._at = float("-inf")
        self._errors = 0

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask the database."""
        return ()

    def forget(self) -> None:
        """Ask anew at the next scrape."""
        self._at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._at >= KEPT_SECONDS:
                self._found, self._at = self._look(), time.monotonic()
            return list(self._found)

    def _look(self) -> list[Metric]:
        found: list[Metric] = []
        close_old_connections()
        questions: tuple[Callable[[], Iterable[Metric]], ...] = (self._queues, _deployments, _merges, _numbers)
        for question in questions:
            try:
                found += question()
            except Exception as problem:  # noqa: BLE001  # a scrape says what it can
                self._failed(question.__name__, problem)
        close_old_connections()
        errors = CounterMetricFamily("portal_ledger_errors", "Questions to the database that failed.")
        errors.add_metric((), self._errors)
        return [*found, errors]

    def _failed(self, name: str, problem: Exception) -> None:
        self._errors += 1
        log.warning("metrics_question_failed", question=name, error=type(problem).__name__)

    def _queues(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("portal_job_due", f"Rows that wait for a job, at most {DEEPEST}.", labels=("job",))
        oldest = GaugeMetricFamily(
            "portal_job_oldest_seconds", "How long the oldest has been seen due.", labels=("job",)
        )
        moment = time.monotonic()
        for name, job in jobs().items():
            try:
                due = set(job.due(DEEPEST))
            except Exception as problem:  # noqa: BLE001  # one broken queue must not hide the others
                self._failed(name, problem)
                continue
            depth.add_metric((name,), len(due))
            oldest.add_metric((name,), self._ages.oldest(name, due, moment))
        return depth, oldest


def _deployments() -> Iterable[Metric]:
    states = GaugeMetricFamily("portal_deployments", "Deployments by state.", labels=("state",))
    counts = dict(Deployment.objects.order_by().values_list("status").annotate(Count("pk")))
    for status in Status:
        states.add_metric((status.value,), counts.get(status.value, 0))
    unknown = GaugeMetricFamily("portal_deployments_unknown", "Deployments whose outcome a person has to decide.")
    unknown.add_metric((), counts.get(Status.UNKNOWN.value, 0))
    stuck = GaugeMetricFamily(
        "portal_deployments_stuck", "Deployments at work that could not be looked after for a quarter of an hour."
    )
    stuck.add_metric((), Deployment.objects.stuck().count())
    return states, unknown, stuck


def _merges() -> Iterable[Metric]:
    before = now() - STUCK
    waiting = Q(state=MergeIntent.State.PENDING, created_at__lt=before)
    waiting |= Q(verification=MergeIntent.Verification.PENDING, ended_at__lt=before)
    stuck = GaugeMetricFamily(
        "portal_merges_stuck",
        "Merges that were decided over five minutes ago and have not landed, or landed then and are not compared yet.",
    )
    stuck.add_metric((), MergeIntent.objects.filter(waiting).count())
    failed = GaugeMetricFamily("portal_merges_unverified", "Landed merges that are not what was approved.")
    failed.add_metric((), MergeIntent.objects.filter(verification=MergeIntent.Verification.FAILED).count())
    return stuck, failed


def _numbers() -> Iterable[Metric]:
    newest = AuditHead.objects.first() or AuditHead()
    head = GaugeMetricFamily("portal_audit_head", "Number of the newest audit entry.")
    head.add_metric((), newest.seq)
    held = GaugeMetricFamily(
        "portal_audit_held", "1: the log is not the published one, and nothing is recorded or done."
    )
    held.add_metric((), bool(newest.held))
    row = Publication.objects.first() or Publication()
    published = GaugeMetricFamily("portal_audit_published", "Number of the newest published audit entry.")
    published.add_metric((), row.size)
    late = GaugeMetricFamily("portal_audit_copy_late", "1: the copy elsewhere is not as far as the published log.")
    late.add_metric((), bool(settings.PORTAL_AUDIT_REMOTE) and row.pushed != row.commit)
    events = GaugeMetricFamily(
        "portal_deployment_events", "Events ever stored (the newest key: counting reads them all)."
    )
    events.add_metric((), DeploymentEvent.objects.aggregate(pk=Max("pk"))["pk"] or 0)
    return head, held, published, late, events
