"""Whole deployments through GitHub Actions: merged, started once, followed and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.deployments import queries, services
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db
START = "POST /dispatches$"


@pytest.fixture
def there() -> Iterator[GitHub]:
    stub = GitHub()
    with serving(stub):
        yield stub
    assert stub.wrong == []


@pytest.fixture
def delivery(tmp_path: Path, there: GitHub) -> Delivery:
    deploy = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml, environment: production"
    return delivery_via(tmp_path, deploy, kind="github", url=there.url, values={"token": TOKEN})


def merged_and_running(delivery: Delivery, there: GitHub) -> Deployment:
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    return row


def test_a_merged_change_runs_as_a_workflow_and_its_log_hides_the_token(delivery: Delivery, there: GitHub) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "deploy", "completed", "success")
    there.logs[7] = f"one\nthe token is {TOKEN}\n\x1b[31m<script>\n".encode() + b"z" * 1_000_000
    there.end("success")
    row = until(row, "succeeded")
    assert there.count(START) == 1
    log = "\n".join(event.text for event in queries.events(row) if event.kind == "log")
    assert "the token is •••• masked" in log
    assert TOKEN not in log
    assert [status["state"] for status in there.statuses] == ["queued", "success"]


def test_a_lost_answer_ends_in_one_run_that_can_be_cancelled(delivery: Delivery, there: GitHub) -> None:
    there.faults[START] = "drop"
    row = merged_and_running(delivery, there)
    for _ in range(3):
        step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"
    assert len(there.runs) == 1
    assert there.statuses[-1]["state"] == "error"
