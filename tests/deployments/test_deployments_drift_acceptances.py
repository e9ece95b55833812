"""An acceptance whose time is over counts again by itself, and the log says so: once, whoever else is at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import DriftAcceptance
from apps.deployments.transitions import end_by_time
from tests.support.delivery import run_jobs
from tests.support.drifting import Drifting, drifting

pytestmark = [pytest.mark.django_db(transaction=True)]
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
JOB = "deployments.end_drift_acceptances"


@pytest.fixture
def world(tmp_path: Path, settings: Any, engine: str) -> Iterator[Drifting]:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with drifting(tmp_path) as found:
        found.change()
        found.check()
        yield found


def accepted(world: Drifting) -> DriftAcceptance:
    mark, tomorrow = world.latest.findings[0]["mark"], now() + timedelta(days=1)
    carol = world.delivery.people.carol
    return services.accept_drift(carol, environment=world.environment, mark=mark, reason="known", until=tomorrow)


def pass_time() -> None:
    DriftAcceptance.objects.update(until=now() - timedelta(seconds=1))


def entries() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="drift.acceptance_over"))


@BOTH
def test_the_end_by_time_is_in_the_log_once(world: Drifting) -> None:
    row = accepted(world)
    assert run_jobs(JOB) == 0
    pass_time()
    assert run_jobs(JOB) == 1
    assert run_jobs(JOB) == 0
    end_by_time(row.pk)
    (entry,) = entries()
    assert (entry.actor_name, entry.environment, entry.data["mark"]) == ("portal", "staging", row.mark)
    assert "that carol accepted counts again" in entry.summary
    row.refresh_from_db()
    assert row.ended_at is not None
    assert world.drift.state == "drifted"


@BOTH
def test_what_a_person_ended_or_prolonged_has_no_end_by_time(world: Drifting) -> None:
    first, second = accepted(world), accepted(world)
    end_by_time(second.pk)
    services.end_drift_acceptance(world.delivery.people.carol, environment=world.environment, mark=second.mark)
    pass_time()
    assert run_jobs(JOB) == 0
    for row in (first, second):
        end_by_time(row.pk)
    assert entries() == []


@BOTH
def test_of_two_workers_one_writes_it(world: Drifting) -> None:
    row = accepted(world)
    pass_time()
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait(10)
        try:
            end_by_time(row.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(entries()) == 1
