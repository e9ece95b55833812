"""Clocks that differ: what one worker wrote another one believes only as far as their common clock says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.dispatchers import Progress, RunState
from apps.deployments.dispatchers.local import LocalDispatcher
from apps.deployments.jobs import following, landing, starting, verifying
from apps.deployments.jobs.runs import run_of
from apps.deployments.models import Deployment, MergeIntent
from tests.support.delivery import Delivery, pipeline, run_jobs

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)
Patch = pytest.MonkeyPatch


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("sleep 60", "true"))


@pytest.fixture
def row(delivery: Delivery) -> Iterator[Deployment]:
    """A run at work on this machine."""
    found = delivery.deployment(delivery.merged())
    run_jobs("deployments.start")
    following.follow(found.pk)
    found.refresh_from_db()
    assert found.status == "running"
    yield found
    LocalDispatcher().cancel(run_of(found, found.attempt_rows.get(), with_secrets=False))


def of_another_worker(row: Deployment, seen: datetime) -> None:
    Deployment.objects.filter(pk=row.pk).update(runner="another", followed_at=seen, check_at=None)


def status(row: Deployment) -> str:
    return Deployment.objects.get(pk=row.pk).status


def test_a_worker_that_was_not_seen_for_ten_minutes_has_lost_its_run(row: Deployment) -> None:
    of_another_worker(row, now() - timedelta(minutes=9))
    assert following.runs_due(9) == []
    following.follow(row.pk)
    assert status(row) == "running"
    of_another_worker(row, now() - timedelta(minutes=11))
    assert following.runs_due(9) == [row.pk]
    following.follow(row.pk)
    row.refresh_from_db()
    assert (row.status, row.lease_until) == ("unknown", None)
    assert "has not been seen for ten minutes" in row.problem


def test_a_worker_whose_clock_is_ahead_takes_nobody_for_lost(row: Deployment, monkeypatch: Patch) -> None:
    of_another_worker(row, now() - timedelta(minutes=1))
    monkeypatch.setattr(following, "now", lambda: now() + HOUR)
    assert following.runs_due(9) == []
    following.follow(row.pk)
    assert status(row) == "running"


def test_a_worker_whose_clock_is_behind_still_says_that_it_is_there(row: Deployment, monkeypatch: Patch) -> None:
    Deployment.objects.update(followed_at=now() - timedelta(minutes=5), check_at=None)
    monkeypatch.setattr(following, "now", lambda: now() - HOUR)
    following.follow(row.pk)
    row.refresh_from_db()
    assert row.followed_at is not None
    assert now() - row.followed_at < timedelta(minutes=1)


def test_who_was_seen_since_it_was_found_due_is_not_lost(row: Deployment, monkeypatch: Patch) -> None:
    of_another_worker(row, now() - timedelta(minutes=11))
    has_news = following._has_news

    def seen_meanwhile(pk: int) -> bool:
        found = has_news(pk)
        Deployment.objects.filter(pk=pk).update(followed_at=now())
        return found

    monkeypatch.setattr(following, "_has_news", seen_meanwhile)
    following.follow(row.pk)
    assert status(row) == "running"


def test_a_quiet_run_gives_way_to_others_that_are_due_and_writes_that_seldom(
    row: Deployment, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(LocalDispatcher, "observe", lambda *_: Progress(RunState.RUNNING))
    monkeypatch.setattr(following.Recorder, "is_behind", lambda *_: False)
    Deployment.objects.filter(pk=row.pk).update(followed_at=now(), check_at=now() - timedelta(seconds=3))
    moment = now()
    following.follow(row.pk)
    row.refresh_from_db()
    assert row.check_at is not None
    assert moment <= row.check_at <= now()
    assert row.pk in following.runs_due(9), "it is due as before"
    with CaptureQueriesContext(connection) as seen:
        following.follow(row.pk)
    assert not [one for one in seen.captured_queries if one["sql"].startswith("UPDATE")]


@pytest.mark.parametrize("problem", [OSError(24, "Too many open files"), OSError(5, "Input/output error")])
def test_a_run_here_that_cannot_be_read_for_a_moment_is_not_stopped(
    row: Deployment, monkeypatch: Patch, problem: OSError
) -> None:
    stopped: list[Any] = []

    def unreadable(*_: Any) -> Any:
        raise problem

    with monkeypatch.context() as patch:
        patch.setattr(LocalDispatcher, "observe", unreadable)
        patch.setattr(LocalDispatcher, "cancel", lambda *args: stopped.append(args))
        patch.setattr(following, "_has_news", lambda _: True)
        following.follow(row.pk)
    row.refresh_from_db()
    assert (row.status, stopped) == ("running", [])
    said = row.events.order_by("-seq")[0].text
    assert problem.strerror in said
    assert "tried again" in said
    Deployment.objects.update(followed_at=None)
    following.follow(row.pk)
    assert row.events.order_by("-seq")[0].text == "The portal looks after it again."


def test_what_a_clock_that_was_ahead_wrote_holds_nothing_up(delivery: Delivery, settings: Any) -> None:
    settings.PORTAL_RENDER_SECONDS = 60
    change = delivery.approved()
    intent = services.merge_change(delivery.people.alice, change=change)
    rows = MergeIntent.objects.filter(pk=intent.pk)
    ahead = {"lease_until": now() + HOUR, "check_at": now() + HOUR}
    for name, soon in (("lease_until", timedelta(seconds=20)), ("check_at", timedelta(seconds=60))):
        rows.update(**{"lease_until": None, "check_at": None, name: now() + soon})
        assert landing.merges_due(9) == [], name
    rows.update(**ahead)
    assert landing.merges_due(9) == [intent.pk]
    landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    assert intent.state == "landed"
    rows.update(**ahead)
    assert verifying.verifications_due(9) == [intent.pk]
    verifying.verify_landed(intent.pk)
    deployment = delivery.deployment(change)
    Deployment.objects.update(**ahead)
    assert deployment.pk in starting.deployments_due(9)
    starting.start(deployment.pk)
    begun_and_followed(deployment, ahead)


def begun_and_followed(deployment: Deployment, ahead: dict[str, Any]) -> None:
    for due in (following.starts_due, following.runs_due):
        Deployment.objects.update(**ahead)
        assert due(9) == [deployment.pk]
        Deployment.objects.update(lease_until=None, check_at=now() + timedelta(minutes=5))
        assert due(9) == []
        following.follow(deployment.pk)
