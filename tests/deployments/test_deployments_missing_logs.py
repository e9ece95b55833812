"""A log that cannot be had is waited for, but holds no run open that is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import queries, services
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db
LOG = "GET /jobs/7/logs$"


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def delivery(tmp_path: Path, there: GitHub, settings: Any) -> Delivery:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    deploy = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml"
    return delivery_via(tmp_path, deploy, kind="github", url=there.url, values={"token": TOKEN})


def over_without_log(delivery: Delivery, there: GitHub) -> Deployment:
    """A run that succeeded, whose log GitHub does not give away."""
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    there.job(7, "deploy", "completed", "success")
    there.job(8, "smoke", "completed", "success")
    there.logs[8] = b"all well\n"
    there.faults[LOG] = 403
    there.end("success")
    for _ in range(4):
        step_engine()
    row.refresh_from_db()
    return row


def minutes_later(row: Deployment) -> None:
    """As if the log had been asked for in vain since six minutes."""
    attempt = Attempt.objects.get(deployment=row)
    since = datetime.fromisoformat(attempt.external_run["no_log_since"]) - timedelta(minutes=6)
    attempt.external_run["no_log_since"] = since.isoformat()
    attempt.save(update_fields=["external_run"])


def texts(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row)]


def test_a_log_that_cannot_be_had_is_waited_for_and_said_once(delivery: Delivery, there: GitHub) -> None:
    row = over_without_log(delivery, there)
    assert row.status == "running"
    assert sum("It is tried again" in text for text in texts(row)) == 1
    del there.faults[LOG]
    there.logs[7] = b"it came\n"
    until(row, "succeeded")
    assert "it came" in texts(row)
    assert sum("answers again" in text for text in texts(row)) == 1


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_after_minutes_the_run_ends_as_it_did_and_the_step_says_that_its_log_is_missing(
    delivery: Delivery, there: GitHub, *, is_cancelled: bool
) -> None:
    row = over_without_log(delivery, there)
    if is_cancelled:
        services.cancel(delivery.people.alice, deployment=row)
    minutes_later(row)
    row = until(row, "succeeded")
    told = [(event.step, event.text) for event in queries.events(row) if event.kind == "log"]
    assert [step for step, _ in told] == ["deploy", "smoke"]
    assert told[0][1].startswith("The log could not be taken over: corp (127.0.0.1) does not allow this")
    assert told[1][1] == "all well"
