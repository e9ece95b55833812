"""A receiver that reports when nobody waits for it any more: it decides nothing, and who decides reads it."""

from __future__ import annotations

import pytest

from apps.core.errors import Conflict
from apps.deployments import queries, services
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery
from tests.support.outside import step_engine, until
from tests.support.receiver import SECRET
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db


def late(delivery: Delivery) -> Deployment:
    """One whose end was not reported in time."""
    row = running(delivery)
    step_engine()
    attempt = Attempt.objects.get(deployment=row)
    attempt.external_run["sent"] = "2020-01-01T00:00:00+00:00"
    attempt.save()
    return until(row, "unknown")


def told(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row) if "reports only now" in event.text]


def test_what_is_reported_too_late_is_read_by_who_decides_and_decides_nothing(delivery: Delivery) -> None:
    row = late(delivery)
    report(row, "m1", status="running", text=f"Half of it, with {SECRET}")
    report(row, "m2", status="running", text=f"Half of it, with {SECRET}")
    report(row, "m3", status="succeeded")
    step_engine()
    row.refresh_from_db()
    assert row.status == "unknown"
    assert told(row) == [
        "corp reports only now: running. Half of it, with •••• This decides nothing.",
        "corp reports only now: succeeded. This decides nothing.",
    ]
    services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason="Nothing is there.")
    with pytest.raises(Conflict, match="failed already"):
        report(row, "m4", status="succeeded")
