"""A worker that is killed when it has passed on what somebody asked of a step (K13P): it is not passed on twice, and they are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import services
from apps.deployments.models import Attempt, Deployment
from tests.support.crashing import KILLED, Victims
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, TRIGGER, GitLab

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
PLAY = "POST /jobs/7/play$"


@pytest.fixture
def there(settings: Any) -> Iterator[GitLab]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(GitLab()) as stub:
        yield stub


@pytest.fixture
def asked(tmp_path: Path, there: GitLab) -> Deployment:
    """Alice asked to play a job that waits for that."""
    delivery = delivery_via(
        tmp_path,
        f"via: gitlab, connection: corp, project: {PROJECT}",
        kind="gitlab",
        url=there.url,
        values={"token": TOKEN, "trigger_token": TRIGGER},
    )
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    there.job(7, "apply", "manual")
    there.pipelines[0]["status"] = "manual"
    step_engine()
    services.act_on_step(delivery.people.alice, deployment=row, step=0, action="play")
    return row


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_when_a_wish_was_passed_on_it_is_told_and_not_passed_on_again(
    asked: Deployment, there: GitLab, victims: Victims, engine: str
) -> None:
    Deployment.objects.filter(pk=asked.pk).update(check_at=None)
    assert victims.run("sweep", failpoint="K13P:kill") == KILLED
    assert there.count(PLAY) == 1
    attempt = Attempt.objects.get(deployment=asked)
    assert attempt.external_run["passing"] == "Step deploy / apply: play"
    text = "Step deploy / apply: play may not have arrived: the portal was interrupted there. Ask again."
    deadline = time.monotonic() + 60
    while not asked.events.filter(text=text).exists():  # once the lease of the dead is over
        assert time.monotonic() < deadline
        time.sleep(0.1)
        step_engine()
    for _ in range(3):
        step_engine()
    assert there.count(PLAY) == 1
    assert asked.events.filter(text=text).count() == 1
    there.jobs[0]["status"] = there.pipelines[0]["status"] = "success"
    assert until(asked, "succeeded", seconds=60).attempts == 1
