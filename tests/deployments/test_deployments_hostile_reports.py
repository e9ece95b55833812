"""Signed reports of a receiver that lost its mind, or its key: whatever stands in them, the environment goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.waiting import beat
from apps.deployments import queries
from apps.deployments.dispatchers import Progress, Run
from apps.deployments.dispatchers.remote import moment
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery
from tests.support.outside import step_engine, until
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db
NEVER = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("at", NEVER)
def test_a_moment_that_no_clock_knows_is_none(delivery: Delivery, at: str) -> None:
    """Each look at the run failed for ever by one report with it."""
    row = running(delivery)
    report(row, status="running", steps=[{"name": "apply", "status": "running", "at": at}])
    step_engine()
    report(row, "m2", status="succeeded", steps=[{"name": "apply", "status": "succeeded", "at": at}])
    row = until(row, "succeeded")
    [step] = queries.steps_of(row)
    assert step.launched_at is not None
    assert step.ended_at is not None
    assert step.launched_at.year == step.ended_at.year == now().year


def test_a_look_that_takes_long_keeps_its_lease(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise another worker begins the next look, and what this one found is thrown away: each time."""
    row = running(delivery)
    step_engine()
    observe, was_free = WebhookDispatcher.observe, []

    def slowly(self: WebhookDispatcher, run: Run) -> Progress:
        for _ in range(15):
            time.sleep(0.1)
            beat()
        was_free.append(Deployment.objects.unleased().filter(pk=row.pk).exists())
        return observe(self, run)

    monkeypatch.setattr(WebhookDispatcher, "observe", slowly)
    step_engine()
    assert was_free
    assert not any(was_free)


@pytest.mark.parametrize("told", [*NEVER, "1969-12-31T23:59:59Z", "2026-01-01T00:00:00", "soon", None, 7, ["x"]])
def test_what_is_no_moment_of_another_system_is_none(told: Any) -> None:
    assert moment(told) is None


@pytest.mark.parametrize("steps", ["", 0, False, {}, "x"])
def test_steps_that_are_no_list_are_refused_whatever_they_are(delivery: Delivery, steps: Any) -> None:
    row = running(delivery)
    with pytest.raises(InvalidInput, match="`steps` is a list"):
        report(row, status="running", steps=steps)
    report(row, status="running", steps=None)
