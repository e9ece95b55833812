"""How many resources are healthy is told of all of them, whatever is kept, and apart from those of which nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.deployments.dispatchers import ResourceState
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from apps.deployments.jobs import recording
from apps.deployments.models import Attempt
from tests.support.delivery import Delivery
from tests.support.outside import step_engine
from tests.support.reporting import running

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (["healthy"] * 4, "4 of 4 resources are healthy."),
        (["healthy", "degraded", "healthy", "healthy"], "3 of 4 resources are healthy."),
        (["healthy", "degraded", "unknown", "unknown"], "1 of 4 resources are healthy. Of 2 it is not known."),
    ],
)
def test_all_are_counted(delivery: Delivery, monkeypatch: pytest.MonkeyPatch, states: list[str], text: str) -> None:
    row, observe = running(delivery), WebhookDispatcher.observe
    found = tuple(ResourceState("Deployment", f"r{number}", health=state) for number, state in enumerate(states))
    monkeypatch.setattr(WebhookDispatcher, "observe", lambda self, run: replace(observe(self, run), resources=found))
    monkeypatch.setattr(recording, "MOST_RESOURCES", 2)
    step_engine()
    assert row.events.get(kind="resources").text == text
    assert len(Attempt.objects.get(deployment=row).resources) == 2
