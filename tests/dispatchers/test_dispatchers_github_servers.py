"""What servers of GitHub tell and refuse differently, and runs that only look like ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.core.clock import now
from apps.deployments.dispatchers import NotSent, Refused, Run
from apps.deployments.dispatchers.github import GitHubDispatcher
from tests.support.remote_runs import dispatched, look, run_of
from tests.support.stub_server import COMMIT, Answered, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

START = "POST /dispatches$"
github = GitHubDispatcher()


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def run(there: GitHub) -> Run:
    return run_of("github", there.url, {"token": TOKEN}, {"repository": REPOSITORY, "workflow": "deploy.yml"})


def test_a_server_that_refuses_to_be_asked_for_the_run_is_asked_once_more_without(there: GitHub, run: Run) -> None:
    there.is_strict, there.tells_run = True, False
    run = dispatched(github, run)
    assert run.external["accepted"]
    assert there.count(START) == 2
    assert len(there.runs) == 1
    assert look(github, run)[0].external["run"] == 30433642


def test_another_refusal_is_not_asked_again(there: GitHub, run: Run) -> None:
    there.faults[START] = 422
    with pytest.raises(Refused):
        github.dispatch(run)
    assert there.count(START) == 1


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "120"}, 120),
        (403, {"Retry-After": "9000"}, 300),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "in 100 s"}, 100),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, 0),
        (429, {"Retry-After": "-5"}, 0),
        (429, {"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "in 100 s"}, 0),
    ],
)
@pytest.mark.parametrize("what", ["_dispatch", "_commit"])
def test_when_it_may_be_asked_again_is_told_and_has_a_bound(
    there: GitHub, run: Run, status: int, headers: dict[str, str], wait: int, what: str
) -> None:
    in_time = str(int(now().timestamp()) + 100)
    told = {name: value.replace("in 100 s", in_time) for name, value in headers.items()}
    setattr(there, what, lambda *_: Answered(status, {"message": "slow down"}, told))
    if what == "_commit":
        run = replace(run, options={**run.options, "ref": COMMIT})
    with pytest.raises(NotSent) as raised:
        github.dispatch(run)
    assert raised.value.details.get("retry_after", 0) == pytest.approx(wait, abs=10)


@pytest.mark.parametrize(
    "message",
    [
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        "You have triggered an abuse detection mechanism.",
    ],
)
def test_a_rate_limit_that_only_words_tell_is_no_lack_of_rights(there: GitHub, run: Run, message: str) -> None:
    there._dispatch = lambda *_: Answered(403, {"message": message})  # type: ignore[method-assign]
    with pytest.raises(NotSent, match=r"is asked too often\. It says: You have") as raised:
        github.dispatch(run)
    assert raised.value.details["retry_after"] == 60


def test_a_lack_of_rights_stays_a_refusal(there: GitHub, run: Run) -> None:
    there._dispatch = lambda *_: Answered(403, {"message": "Resource not accessible by personal access token"})  # type: ignore[method-assign]
    with pytest.raises(Refused, match="can widen its rights") as raised:
        github.dispatch(run)
    assert raised.value.details == {}


def test_a_log_that_is_cut_says_so_also_where_its_mark_of_bytes_is_taken_out(
    there: GitHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("github", "remote"):
        monkeypatch.setattr(f"apps.deployments.dispatchers.{module}.LOG_MOST", 1000)
    run = dispatched(github, run)
    there.job(7, "deploy", "completed", "success")
    there.logs[7] = b"\xef\xbb\xbf" + b"x" * 2000
    github.observe(run)
    log = github.read_log(run, "job-7", 0, 100_000)
    assert log.startswith(b"x" * 997 + b"\n[The log goes on.")
