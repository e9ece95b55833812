"""A worker that is killed around a request to another system (K13): what it asked for happens once, or a person is asked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment
from tests.support.crashing import KILLED, Victims
from tests.support.outside import delivery_via, step_engine
from tests.support.stub_server import Asked, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
DEPLOY = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml"
START = "POST /dispatches$"
TIMES = int(os.environ.get("CRASH_TIMES", "50"))
Moment = Callable[[Deployment, GitHub, Victims, pytest.MonkeyPatch], None]


@pytest.fixture
def there(settings: Any) -> Iterator[GitHub]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def row(tmp_path: Path, there: GitHub) -> Deployment:
    delivery = delivery_via(tmp_path, DEPLOY, kind="github", url=there.url, values={"token": TOKEN})
    found = delivery.deployment(delivery.merged())
    there.head = found.commit
    return found


def dying_at(victims: Victims, point: str) -> None:
    assert victims.run("sweep", failpoint=f"{point}:kill") == KILLED


def dying_while_it_waits(victims: Victims, there: GitHub, monkeypatch: pytest.MonkeyPatch, *, is_taken: bool) -> None:
    """The other system has the request; before it answers the worker is killed."""
    answer = there.answer

    def deadly(asked: Asked) -> Any:
        if not asked.path.endswith("/dispatches"):
            return answer(asked)
        answered = answer(asked) if is_taken else None
        for child in psutil.Process(victims.process.pid).children():
            os.kill(child.pid, signal.SIGKILL)
        return answered

    with monkeypatch.context() as patch:
        patch.setattr(there, "answer", deadly)
        patch.setattr(GitHub, "take", lambda self, asked: self.asked.append(asked) or self.answer(asked))
        assert victims.run("sweep") == KILLED


def ends(row: Deployment, *statuses: str, seconds: float = 30.0) -> Deployment:
    """Whoever comes next goes on once the lease of the dead is over."""
    until = time.monotonic() + seconds
    while row.status not in statuses:
        assert time.monotonic() < until, f"still {row.status}: {[event.text for event in row.events.all()]}"
        time.sleep(0.1)
        step_engine()
        row.refresh_from_db()
    return row


def a_minute_later(row: Deployment) -> None:
    attempt = Attempt.objects.get(deployment=row)
    assert attempt.external_run["sent"], "that it was about to ask is known"
    attempt.external_run |= {"sent": (now() - timedelta(minutes=2)).isoformat()}
    attempt.save(update_fields=["external_run"])


def before_the_request(row: Deployment, there: GitHub, victims: Victims, _monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs, and a person is asked."""
    dying_at(victims, "K13S")
    time.sleep(1.1)
    for _ in range(3):
        step_engine()
    row.refresh_from_db()
    assert row.status == "running", "it is looked for"
    a_minute_later(row)
    assert "shows no run with the key" in ends(row, "unknown").problem
    assert (there.count(START), there.runs) == (0, [])


def after_the_answer(row: Deployment, there: GitHub, victims: Victims, _monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found again and runs once."""
    dying_at(victims, "K13")
    found_again(row, there)


def while_it_is_taken(row: Deployment, there: GitHub, victims: Victims, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found again and runs once."""
    dying_while_it_waits(victims, there, monkeypatch, is_taken=True)
    found_again(row, there)


def while_it_is_lost(row: Deployment, there: GitHub, victims: Victims, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was never taken: a person is asked."""
    dying_while_it_waits(victims, there, monkeypatch, is_taken=False)
    a_minute_later(row)
    ends(row, "unknown")
    assert (there.count(START), there.runs) == (1, [])


def found_again(row: Deployment, there: GitHub) -> None:
    assert len(there.runs) == 1
    time.sleep(1.1)
    for _ in range(3):
        step_engine()
    there.end("success")
    assert ends(row, "succeeded").attempts == 1
    assert (there.count(START), len(there.runs)) == (1, 1)


MOMENTS = [before_the_request, after_the_answer, while_it_is_taken, while_it_is_lost]
AT_EACH = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)


@BOTH
@AT_EACH
def test_killed_there_it_runs_once_or_a_person_is_asked(
    row: Deployment, there: GitHub, victims: Victims, monkeypatch: pytest.MonkeyPatch, moment: Moment, engine: str
) -> None:
    moment(row, there, victims, monkeypatch)


@pytest.mark.soak
@BOTH
@AT_EACH
@pytest.mark.parametrize("turn", range(TIMES))
def test_killed_there_fifty_times_it_runs_once_or_a_person_is_asked(
    row: Deployment,
    there: GitHub,
    victims: Victims,
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
    engine: str,
    turn: int,
) -> None:
    moment(row, there, victims, monkeypatch)
