"""What an attempt may have changed is not in sync until it was looked at, however the attempt ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.jobs import drifting as job
from apps.deployments.lifecycle import Event
from apps.deployments.models import Deployment, DriftCheck, DriftWatch
from apps.deployments.queries.drift import drift_of
from apps.deployments.transitions import end_deployment
from tests.support.delivery import run_jobs
from tests.support.drifting import CHECK, Drifting, config, drifting, landed

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        yield found


def begun(world: Drifting) -> Deployment:
    """The deployment of a second change, which has taken the environment."""
    row = world.delivery.deployment(landed(world.delivery, "second", {"k8s/three.yaml": config("three")}))
    run_jobs("deployments.start")
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("dispatching", 1)
    return row


def end(row: Deployment, event: Event) -> None:
    with transaction.atomic():
        end_deployment(row, event, text="So it ended.")


@pytest.mark.parametrize("event", [Event.FAIL, Event.CANCEL])
def test_what_did_not_succeed_ends_in_sync_until_it_is_looked_at_which_is_soon(world: Drifting, event: Event) -> None:
    assert world.check().state == "in_sync"
    assert job.drift_due(10) == []
    row = begun(world)
    assert (world.drift.state, world.drift.was) == ("stale", "in_sync")
    end(row, event)
    assert (world.drift.state, world.drift.was) == ("stale", "in_sync")
    world.change("two")
    assert run_jobs(CHECK) == 1
    assert (world.drift.state, world.latest.deployment) == ("drifted", world.live)
    assert run_jobs(CHECK) == 0


def test_of_an_attempt_that_nobody_knows_the_end_of_nothing_is_in_sync(world: Drifting) -> None:
    world.check()
    row = begun(world)
    end(row, Event.LOSE)
    assert (world.drift.state, run_jobs(CHECK)) == ("stale", 0)
    services.resolve(world.delivery.people.carol, deployment=row, outcome="failed", reason="looked")
    assert world.drift.state == "stale"
    assert run_jobs(CHECK) == 1
    assert world.drift.state == "in_sync"


def test_a_look_during_which_something_began_and_failed_is_not_kept(
    world: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.check()
    before, real = world.latest, job._tell_all

    def meanwhile(*arguments: Any) -> Any:
        told = real(*arguments)
        end(begun(world), Event.FAIL)
        return told

    monkeypatch.setattr(job, "_tell_all", meanwhile)
    DriftWatch.objects.update(next_at=now())
    run_jobs(CHECK)
    assert world.latest == before
    monkeypatch.undo()
    assert run_jobs(CHECK) == 1
    assert world.drift.state == "in_sync"


def test_where_nobody_asked_for_looks_it_is_old_and_not_looked_at(world: Drifting) -> None:
    world.check()
    row = begun(world)
    DriftWatch.objects.update(every_seconds=0, next_at=None)
    end(row, Event.FAIL)
    assert (world.drift.state, run_jobs(CHECK)) == ("stale", 0)


def test_it_is_not_looked_at_before_it_began_by_the_clock_that_said_so(world: Drifting) -> None:
    world.check()
    row, ahead = begun(world), now() + timedelta(minutes=1)
    Deployment.objects.filter(pk=row.pk).update(started_at=ahead)
    row.refresh_from_db()
    end(row, Event.FAIL)
    assert DriftWatch.objects.get().next_at == ahead
    assert job.drift_due(10) == [], "that look would be taken for an older one"


def test_what_waits_or_was_cancelled_before_it_ran_changes_nothing(world: Drifting) -> None:
    world.check()
    row = world.delivery.deployment(landed(world.delivery, "second", {"k8s/three.yaml": config("three")}))
    assert (row.status, world.drift.state) == ("pending", "in_sync")
    end(row, Event.CANCEL)
    assert (world.drift.state, run_jobs(CHECK)) == ("in_sync", 0)


def test_it_takes_three_questions_and_they_use_the_indexes(world: Drifting) -> None:
    world.check()
    row = world.environment
    with CaptureQueriesContext(connection) as seen:
        assert drift_of([row])[row.pk].state == "in_sync"
    assert len(seen) == 3
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {next(one['sql'] for one in seen if 'driftcheck' in one['sql'])}")
        steps = " ".join(str(one) for one in cursor.fetchall())
    assert "deployments_by_start" in steps
    assert "SCAN deployments_deployment" not in steps


def test_a_check_in_the_moment_in_which_an_attempt_began_is_old(world: Drifting) -> None:
    world.check()
    DriftCheck.objects.update(checked_at=now() - timedelta(minutes=1))
    Deployment.objects.update(started_at=DriftCheck.objects.get().checked_at)
    assert world.drift.state == "stale"
