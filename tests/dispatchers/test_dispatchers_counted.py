"""Systems that count what they are asked: what did not change costs nothing, and what is used up is not asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import NotSent, Outside, Run, RunState
from apps.deployments.dispatchers.answers import Answer
from apps.deployments.dispatchers.busy import allowance_in, not_before, seconds_to_wait
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.unchanged import Kept
from tests.support.remote_runs import dispatched, look, run_of, sent
from tests.support.stub_server import Answered, Asked, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

github = GitHubDispatcher()


@dataclass
class Counting(GitHub):
    """Counts as GitHub does: not what is unchanged for who has it. ``left``: what the account may ask in this hour."""

    left: int = 5000
    used: int = 0
    resets: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=40))

    def answer(self, asked: Asked) -> Answered:
        counts = {"X-RateLimit-Limit": "5000", "X-RateLimit-Reset": str(int(self.resets.timestamp()))}
        if not self.left:
            return Answered(403, {"message": "API rate limit exceeded"}, {**counts, "X-RateLimit-Remaining": "0"})
        answered = super().answer(asked)
        tag = f'W/"{hashlib.sha256(json.dumps(answered.body, default=str).encode()).hexdigest()}"'
        is_same = asked.method == "GET" and asked.headers.get("if-none-match") == tag
        self.left, self.used = self.left - (not is_same), self.used + (not is_same)
        answered = Answered(304, b"") if is_same else answered
        answered.headers |= {**counts, "X-RateLimit-Remaining": str(self.left), "ETag": tag}
        return answered


@pytest.fixture
def there() -> Iterator[Counting]:
    with serving(Counting()) as stub:
        yield stub


@pytest.fixture
def run(there: Counting) -> Run:
    run = run_of("github", there.url, {"token": TOKEN}, {"repository": REPOSITORY, "workflow": "deploy.yml"})
    run = dispatched(github, run)
    there.job(7, "deploy", "in_progress", None)
    return run


def test_a_run_that_does_not_change_costs_no_request(there: Counting, run: Run) -> None:
    look(github, run)
    used, looks = there.used, there.count("GET /actions/runs")
    found = [look(github, run)[1] for _ in range(20)]
    assert there.used == used
    assert there.count("GET /actions/runs") == looks + 40  # it is asked all the same: each look is what GitHub says now
    assert {progress.state for progress in found} == {RunState.RUNNING}
    assert found[-1].steps[0].key == "job-7"


def test_what_changed_is_seen_at_once(there: Counting, run: Run) -> None:
    for _ in range(3):
        look(github, run)
    there.jobs.clear()
    there.job(7, "deploy", "completed", "failure")
    there.runs[0] |= {"status": "completed", "conclusion": "failure"}
    progress = look(github, run)[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    there.runs[0] |= {"status": "in_progress", "conclusion": None}
    assert look(github, run)[1].state == RunState.RUNNING


def test_an_answer_is_not_kept_for_another_account(there: Counting, run: Run) -> None:
    look(github, run)
    assert run.outside
    other = replace(run, outside=Outside("corp", "github", there.url, {"token": "of somebody else"}))
    with pytest.raises(Unavailable, match="does not accept the credentials"):
        look(github, other)


def test_few_that_are_left_are_spared_and_the_run_says_so(there: Counting, run: Run) -> None:
    assert look(github, run)[1].pause == 0
    there.left = 400
    there.runs[0]["status"] = "queued"
    progress = look(github, run)[1]
    assert progress.pause == 60
    assert progress.text.endswith(
        "GitHub allows the account of the connection few more requests until "
        f"{there.resets:%H:%M} UTC, so the run is looked at once a minute."
    )
    assert look(github, run)[1].text == progress.text


def test_an_account_that_may_ask_no_more_is_not_asked(there: Counting, run: Run) -> None:
    there.left = 0
    with pytest.raises(Unavailable, match=rf"It allows no more before {there.resets:%H:%M}") as raised:
        look(github, run)
    assert raised.value.details["retry_after"] == 300
    asked = len(there.asked)
    with pytest.raises(Unavailable, match="asked too often"):
        look(github, run)
    with pytest.raises(NotSent, match="asked too often"):
        github.dispatch(replace(run, external={}))
    with pytest.raises(Unavailable, match="asked too often"):
        github.cancel(run)
    assert len(there.asked) == asked


def test_who_is_asked_too_often_does_not_say_that_a_token_is_nobodys(there: Counting, run: Run) -> None:
    """The run of somebody else that shows our key is not ours because GitHub does not tell now who we are."""
    there.runs[0] |= {"actor": {**there.runs[0]["actor"], "login": "mallory"}}
    answer = there.answer

    def busy(asked: Asked) -> Answered:
        if asked.path == "/user":
            return Answered(403, {"message": "You have exceeded a secondary rate limit."})
        return answer(asked)

    there.answer = busy  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="asked too often"):
        github.observe(sent(replace(run, external={})))


def answered(status: int = 403, **headers: Any) -> Answer:
    return Answer(status, b"", {name.replace("_", "-"): str(value) for name, value in headers.items()})


def test_a_clock_that_is_wrong_here_does_not_matter() -> None:
    there = now().replace(microsecond=0) - timedelta(hours=3)
    told = answered(
        date=format_datetime(there, usegmt=True), x_ratelimit_remaining=0, x_ratelimit_reset=int(there.timestamp()) + 90
    )
    assert seconds_to_wait(told) == 90
    moment = format_datetime(there + timedelta(seconds=120), usegmt=True)
    assert seconds_to_wait(answered(429, date=format_datetime(there, usegmt=True), retry_after=moment)) == 120


@pytest.mark.parametrize("reset", ["9" * 30, "soon", "-5", "٣", ""])
def test_nonsense_is_no_allowance(reset: str) -> None:
    assert allowance_in(answered(x_ratelimit_limit=10, x_ratelimit_remaining=0, x_ratelimit_reset=reset)) is None


def test_gitlab_tells_it_by_names_of_its_own() -> None:
    reset = int(now().timestamp()) + 40
    told = allowance_in(answered(200, ratelimit_limit=2000, ratelimit_remaining=3, ratelimit_reset=reset))
    assert told
    assert told.is_scarce
    assert told.seconds == pytest.approx(40, abs=2)
    assert not_before(answered(429, retry_after=30)) == ""


def test_what_is_kept_has_a_bound() -> None:
    kept = Kept(most_bytes=1000)
    for number in range(50):
        answer = Answer(200, b"x" * 100, {"etag": f'"{number}"'})
        assert kept.settle(str(number), None, answer) is answer
    assert [number for number in range(50) if kept.get(str(number))] == list(range(40, 50))
    assert kept.settle("large", None, Answer(200, b"x" * 900, {"etag": '"l"'})).status == 200
    assert kept.get("large") is None
