"""Jobs of GitHub: a run that GitHub calls a success deployed nothing where the job that deploys was skipped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from tests.support.remote_runs import dispatched, look, run_of
from tests.support.stub_server import Answered, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

github = GitHubDispatcher()


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


def over(there: GitHub, *jobs: tuple[str, str], **options: Any) -> Run:
    """A run that GitHub calls a success, with these jobs beside a test."""
    options = {"repository": REPOSITORY, "workflow": "deploy.yml", **options}
    run = dispatched(github, run_of("github", there.url, {"token": TOKEN}, options))
    for number, (name, conclusion) in enumerate([("test", "success"), *jobs], 6):
        there.job(number, name, "completed", conclusion)
    there.end("success")
    return run


@pytest.mark.parametrize(
    "jobs",
    [
        [("deploy", "success")],
        [("deploy (eu, 1)", "success"), ("deploy (us, 2)", "success"), ("deployed", "failure")],
        [("deploy / apply", "success"), ("deploy / tell", "skipped")],
        [("deploy (eu) / apply", "success")],
    ],
)
def test_a_job_that_is_named_and_succeeded(there: GitHub, jobs: list[tuple[str, str]]) -> None:
    progress = look(github, over(there, *jobs, jobs=["deploy"]))[1]
    assert (progress.outcome, progress.problem) == ("succeeded", "")


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([], "it has no job deploy, which `jobs` in portal.yaml names"),
        ([("deployed", "success")], "it has no job deploy"),
        ([("deploy", "skipped")], "the job deploy, which `jobs` in portal.yaml names, ended as 'skipped'"),
        ([("deploy", "failure")], "ended as 'failure'"),
        ([("deploy (eu)", "success"), ("deploy (us)", "cancelled")], "ended as 'cancelled'"),
        ([("deploy / apply", "skipped"), ("deploy / tell", "skipped")], "ended as 'skipped'"),
    ],
)
def test_a_success_without_the_job_that_is_named_is_none(
    there: GitHub, jobs: list[tuple[str, str]], words: str
) -> None:
    run, progress = look(github, over(there, *jobs, jobs=["test", "deploy"]))
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert words in progress.problem
    assert run.external["tries"] == 0, "no job of it failed, so nothing can be done again alone"


def test_the_environment_in_github_is_told_the_same(there: GitHub) -> None:
    run, _ = look(github, over(there, ("deploy", "skipped"), jobs=["deploy"], environment="production"))
    github.discard(run)
    assert there.statuses[-1]["state"] == "failure"


def test_jobs_that_were_skipped_are_named(there: GitHub) -> None:
    progress = look(github, over(there, ("deploy", "skipped"), ("verify", "skipped")))[1]
    assert progress.outcome == "succeeded"
    assert progress.text == "GitHub: success. Skipped: deploy, verify."


def test_a_log_that_github_keeps_no_more_is_not_shown_as_empty(there: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = look(github, over(there))
    monkeypatch.setattr(there, "_log", lambda *_: Answered(410, {"message": "Gone"}))
    github.observe(run)
    assert b"GitHub does not keep this log any more" in github.read_log(run, "job-6", 0, 1000)


def test_a_log_is_waited_for_by_the_clock_of_github(there: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ours is ahead, a log that is not stored yet was taken for one that never comes."""
    run = over(there)
    there.jobs[0]["completed_at"] = now().isoformat()
    for module in ("github", "busy"):
        path = f"apps.deployments.dispatchers.{module}.now"
        monkeypatch.setattr(path, lambda: datetime.now(UTC) + timedelta(hours=1))
    github.observe(run)
    with pytest.raises(Unavailable, match="not stored the log"):
        github.read_log(run, "job-6", 0, 1000)


@pytest.mark.parametrize("what", ["runs", "jobs"])
def test_what_github_calls_over_without_saying_how_it_ended_is_asked_again(there: GitHub, what: str) -> None:
    run = over(there, ("deploy", "success"), jobs=["deploy"])
    there.runs[0]["updated_at"] = now().isoformat()
    row = getattr(there, what)[-1]
    row["conclusion"] = None
    run, progress = look(github, run)
    assert progress.state == RunState.RUNNING
    assert "does not tell yet how all of it ended" in progress.text
    row["conclusion"] = "success"
    assert look(github, run)[1].outcome == "succeeded"


def test_one_that_never_says_it_is_not_followed_for_ever(there: GitHub) -> None:
    run = over(there)
    there.runs[0] |= {"conclusion": None, "updated_at": (now() - timedelta(minutes=6)).isoformat()}
    assert look(github, run)[1].state == RunState.LOST
