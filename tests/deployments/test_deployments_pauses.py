"""How often another system is asked: often while something happens, seldom while nothing does, and not before it wants to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import services
from apps.deployments.dispatchers import Progress, Run
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, run_jobs
from tests.support.outside import step_engine
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db


def quiet_for(row: Deployment, seconds: float) -> float:
    """Seconds until the next look, when nothing happened for so long."""
    row.events.update(at=now() - timedelta(seconds=seconds))
    step_engine()
    return pause(row)


def pause(row: Deployment) -> float:
    row.refresh_from_db()
    assert row.check_at is not None
    assert row.followed_at is not None
    return (row.check_at - row.followed_at).total_seconds()


def test_the_longer_nothing_happens_the_longer_the_pause_and_news_make_it_short(delivery: Delivery) -> None:
    row = running(delivery)
    step_engine()
    assert pause(row) == pytest.approx(2, abs=0.1)
    assert quiet_for(row, 40) == pytest.approx(5, abs=0.5)
    assert quiet_for(row, 3600) == pytest.approx(20, abs=0.1)
    report(row, status="running", text="Half of it.")
    row.refresh_from_db()
    assert row.check_at is not None
    assert row.check_at <= now()
    step_engine()
    assert pause(row) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("is_silent", [False, True])
def test_who_acts_during_a_look_does_not_wait_for_its_pause(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    row = running(delivery)
    step_engine()
    observe = WebhookDispatcher.observe

    def observe_and_act(self: WebhookDispatcher, run: Run) -> Progress:
        services.cancel(delivery.people.alice, deployment=row)
        if is_silent:
            raise Unavailable("outside_busy", "It is asked too often.", retry_after=200.0)
        return observe(self, run)

    with monkeypatch.context() as patch:
        patch.setattr(WebhookDispatcher, "observe", observe_and_act)
        Deployment.objects.update(check_at=now() - timedelta(seconds=5))
        run_jobs("deployments.follow")
    row.refresh_from_db()
    assert row.check_at is not None
    assert row.check_at <= now()


@pytest.mark.parametrize(("told", "least"), [({"retry_after": 200.0}, 199.0), ({}, 1.0)])
def test_a_system_that_says_when_to_come_again_is_not_asked_before(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], least: float
) -> None:
    row = running(delivery)
    step_engine()

    def refuse(_: WebhookDispatcher, __: Run) -> Progress:
        raise Unavailable("outside_busy", "It is asked too often.", **told)

    monkeypatch.setattr(WebhookDispatcher, "observe", refuse)
    step_engine()
    assert least <= pause(row) <= least + 4


def test_a_system_that_allows_little_more_is_looked_at_seldom_whatever_happens(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = running(delivery)
    observe = WebhookDispatcher.observe
    monkeypatch.setattr(WebhookDispatcher, "observe", lambda self, run: replace(observe(self, run), pause=60.0))
    step_engine()
    assert pause(row) == pytest.approx(60, abs=0.1)
    assert quiet_for(row, 3600) == pytest.approx(60, abs=0.1)
