"""A run that the other system refuses to stop is told so, and followed to its end all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import queries, services
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.jobs import stopping
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db
STOP = "POST /cancel$"
LOOKS = {"GET /runs/.*": 503}


@pytest.fixture
def there(settings: Any) -> Iterator[GitHub]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def delivery(tmp_path: Path, there: GitHub) -> Delivery:
    deploy = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml"
    return delivery_via(tmp_path, deploy, kind="github", url=there.url, values={"token": TOKEN})


def running(delivery: Delivery, there: GitHub) -> Deployment:
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    step_engine()
    return row


def aged(row: Deployment, **minutes: float) -> None:
    """As if these facts of the run had been noted so many minutes earlier."""
    attempt = Attempt.objects.get(deployment=row)
    moved = {name: (now() - timedelta(minutes=ago)).isoformat() for name, ago in minutes.items()}
    attempt.external_run = {**attempt.external_run, **moved}
    attempt.save(update_fields=["external_run"])


def told(row: Deployment, words: str) -> int:
    return sum(words in event.text for event in queries.events(row))


@pytest.mark.parametrize("fault", [403, 500])
def test_a_run_that_is_not_stopped_is_said_to_be_and_followed(
    delivery: Delivery, there: GitHub, client: Client, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    monkeypatch.setattr(stopping, "pause_after", lambda _: 3600.0)
    row = running(delivery, there)
    there.faults = {STOP: fault}
    services.cancel(delivery.people.alice, deployment=row)
    for _ in range(3):
        step_engine()
    assert there.count(STOP) == 1, "it is asked again, and not at every look"
    aged(row, silent_since=20, stop_again=1)
    there.job(7, "deploy", "in_progress")
    step_engine()
    step_engine()
    row.refresh_from_db()
    assert (row.status, there.count(STOP)) == ("running", 2)
    assert [step.status for step in queries.steps_of(row)] == ["running"], "what goes on is taken over"
    assert not Attempt.objects.get(deployment=row).external_run["silent_since"]
    assert told(row, "It could not be told to stop: corp (127.0.0.1)") == 1
    client.force_login(delivery.people.alice)
    page = client.get(f"/deployments/{row.number}/").content.decode()
    assert "It could not be told to stop: corp (127.0.0.1)" in page
    there.end("success")
    row = until(row, "succeeded")
    assert not Deployment.objects.stuck().exists()


def test_a_stop_that_is_taken_later_cancels_it(delivery: Delivery, there: GitHub) -> None:
    row = running(delivery, there)
    there.faults = {STOP: 403}
    services.cancel(delivery.people.alice, deployment=row)
    step_engine()
    there.faults = {}
    aged(row, stop_again=1)
    assert until(row, "cancelled").status == "cancelled"
    assert not Attempt.objects.get(deployment=row).external_run["stop_refused"]


def test_where_the_look_fails_too_it_is_silent(delivery: Delivery, there: GitHub) -> None:
    row = running(delivery, there)
    there.faults = {STOP: 403, **LOOKS}
    services.cancel(delivery.people.alice, deployment=row)
    step_engine()
    aged(row, silent_since=16)
    step_engine()
    row.refresh_from_db()
    assert row.status == "unknown"
    assert row.problem.startswith("It was to be cancelled, and for a quarter of an hour nobody could look at it.")


def test_what_did_not_begin_is_not_over_while_nobody_could_forbid_it(
    delivery: Delivery, there: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.faults = {"GET .*": "cut", "POST .*": "cut"}
    row = until(delivery.deployment(delivery.merged()), "running")
    services.cancel(delivery.people.alice, deployment=row)

    def refused(*_: Any) -> bool:
        raise Unavailable("not_now", "Not now.")

    with monkeypatch.context() as patch:
        patch.setattr(GitHubDispatcher, "cancel", refused)
        step_engine()
        row.refresh_from_db()
        assert row.status == "running"
        assert Attempt.objects.get(deployment=row).external_run["silence"] == "Not now."
    assert until(row, "cancelled").status == "cancelled"
