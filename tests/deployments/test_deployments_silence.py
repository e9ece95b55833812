"""A system that never answers again: people are called, nobody's environment is held for ever, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import services
from apps.deployments.dispatchers import Progress
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.jobs import silence
from apps.deployments.models import Attempt, Deployment
from apps.reviews.models import Call, News
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db
DEPLOY = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml"
LIMITED = f"{DEPLOY}, timeout: 10m"
CUT = {f"{method} .*": "cut" for method in ("GET", "POST")}


@pytest.fixture
def there(settings: Any) -> Iterator[GitHub]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(GitHub()) as stub:
        yield stub


def running(place: Path, there: GitHub, deploy: str) -> tuple[Delivery, Deployment]:
    """A run over there that was sent and seen."""
    delivery = delivery_via(place, deploy, kind="github", url=there.url, values={"token": TOKEN})
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    step_engine()
    return delivery, row


def gone(there: GitHub, row: Deployment, **minutes: float) -> Deployment:
    """The system is away; ``sent`` and ``silent`` say for how many minutes by now."""
    there.faults = dict(CUT)
    step_engine()
    attempt = Attempt.objects.get(deployment=row)
    names = {"sent": "sent", "silent": "silent_since"}
    moved = {names[name]: (now() - timedelta(minutes=ago)).isoformat() for name, ago in minutes.items()}
    attempt.external_run = {**attempt.external_run, **moved}
    attempt.save(update_fields=["external_run"])
    step_engine()
    row.refresh_from_db()
    return row


def test_past_its_timeout_a_silent_run_is_unknown_and_a_person_decides(tmp_path: Path, there: GitHub) -> None:
    delivery, row = running(tmp_path, there, LIMITED)
    row = gone(there, row, sent=9, silent=5)
    assert row.status == "running", "it has time"
    row = gone(there, row, sent=11, silent=0.5)
    assert row.status == "running", "one look without an answer is no silence"
    row = gone(there, row, sent=11, silent=2)
    assert row.status == "unknown"
    assert "It had 600 s" in row.problem
    assert "It was not stopped" in row.problem
    assert "corp (127.0.0.1)" in row.problem
    services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason="The host burnt down.")
    row.refresh_from_db()
    assert row.status == "failed"


def test_a_system_that_allows_no_more_for_now_is_waited_for_past_the_timeout(
    tmp_path: Path, there: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may have ended well in time: that it could not be looked at for an hour says nothing about it."""
    _, row = running(tmp_path, there, LIMITED)

    def busy(*_: Any) -> Progress:
        raise Unavailable("outside_refused", "corp is asked too often.", retry_after=300.0)

    with monkeypatch.context() as patch:
        patch.setattr(GitHubDispatcher, "observe", busy)
        row = gone(there, row, sent=70, silent=59)
        assert row.status == "running"
    there.faults = {}
    there.end("success")
    assert until(row, "succeeded").status == "succeeded"


def test_one_that_never_allows_more_is_no_longer_waited_for(
    tmp_path: Path, there: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, row = running(tmp_path, there, LIMITED)

    def busy(*_: Any) -> Progress:
        raise Unavailable("outside_refused", "corp is asked too often.", retry_after=300.0)

    monkeypatch.setattr(GitHubDispatcher, "observe", busy)
    assert gone(there, row, sent=200, silent=121).status == "unknown"


def test_what_was_to_be_cancelled_and_is_silent_is_put_to_a_person(tmp_path: Path, there: GitHub) -> None:
    delivery, row = running(tmp_path, there, DEPLOY)
    row = gone(there, row, sent=600, silent=300)
    assert row.status == "running", "nobody limited it"
    gone(there, row, silent=9)
    services.cancel(delivery.people.alice, deployment=row)
    row = gone(there, row, silent=10)
    assert row.status == "running", "it may still hear of it"
    row = gone(there, row, silent=16)
    assert row.status == "unknown"
    assert row.problem.startswith("It was to be cancelled")


def test_people_are_called_once_and_no_longer_when_it_answers(tmp_path: Path, there: GitHub, client: Client) -> None:
    delivery, row = running(tmp_path, there, DEPLOY)
    row = gone(there, row, silent=14)
    assert not Call.objects.exists()
    assert not Deployment.objects.stuck().exists()
    for _ in range(2):
        row = gone(there, row, silent=16)
    assert Deployment.objects.stuck().get() == row
    [call] = Call.objects.filter(user=delivery.people.alice, ended_at=None)
    assert call.reason.startswith(f"The portal cannot look after {row.label} to staging")
    lines = [line["text"] for news in News.objects.filter(user=delivery.people.alice) for line in news.lines]
    assert sum("could not be looked after" in text for text in lines) == 1
    client.force_login(delivery.people.alice)
    page = client.get(f"/deployments/{row.number}/").content.decode()
    assert "No error so far" not in page
    assert "It is tried again; what is shown is what was known before" in page
    there.faults = {}
    step_engine()
    assert not Call.objects.filter(ended_at=None).exists()
    assert not Deployment.objects.stuck().exists()
    there.end("success")
    assert until(row, "succeeded").status == "succeeded"


def test_a_start_that_was_never_sent_is_tried_for_ever_and_can_be_cancelled(tmp_path: Path, there: GitHub) -> None:
    there.faults = dict(CUT)
    delivery = delivery_via(tmp_path, LIMITED, kind="github", url=there.url, values={"token": TOKEN})
    row = until(delivery.deployment(delivery.merged()), "running")
    row = gone(there, row, silent=600)
    assert (row.status, Deployment.objects.stuck().count()) == ("running", 1), (
        "nothing runs there, so nothing is unknown"
    )
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"
    assert there.runs == []


def test_a_health_that_cannot_be_asked_is_unknown_when_its_time_is_over(tmp_path: Path, there: GitHub) -> None:
    _, row = running(tmp_path, there, LIMITED)
    plan = {**row.plan, "health": {"for_seconds": 60, "within_seconds": 300, "otherwise": "fail", "checks": []}}
    Deployment.objects.filter(pk=row.pk).update(plan=plan)
    an_hour_ago = (now() - timedelta(hours=1)).isoformat()  # nobody says that somebody looked all the while
    Attempt.objects.update(health={"since": an_hour_ago, "good_since": "", "checks": {}})
    for minutes, status in ((4, "running"), (6, "unknown")):
        row = gone(there, row, sent=60, silent=minutes)
        assert row.status == status
    assert "whether it is healthy was not known within 300 s" in row.problem


def test_a_limit_that_portal_yaml_does_not_name_is_the_dispatchers() -> None:
    row = Deployment(plan={"via": "argocd", "raw": {}}, status="running")
    for minutes, is_late in ((29, False), (31, True)):
        attempt = Attempt(external_run={"sent": (now() - timedelta(minutes=minutes)).isoformat()})
        assert bool(silence._why_late(row, attempt)) is is_late
