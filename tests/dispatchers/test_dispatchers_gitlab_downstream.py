"""Child pipelines of GitLab: one that its trigger does not wait for is no success of ours before it is its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.deployments.dispatchers import Run, RunState
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from tests.support.remote_runs import dispatched, look, run_of
from tests.support.stub_server import COMMIT, MINUTE_AGO, Answered, Asked, serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, GitLab

gitlab = GitLabDispatcher()


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


def over(there: GitLab, child: str | None, *, may_fail: bool = False, **options: Any) -> Run:
    """A pipeline that GitLab calls a success; the one of its trigger ``roll out`` is ``child``."""
    run = dispatched(gitlab, run_of("gitlab", there.url, {"token": TOKEN}, {"project": PROJECT, **options}))
    told = {"id": 80, "project_id": 5, "sha": COMMIT, "ref": "main", "status": child} if child else None
    there.job(6, "test", "success")
    there.job(7, "roll out", "success", downstream_pipeline=told, allow_failure=may_fail)
    there.pipelines[0].update(status="success", finished_at=MINUTE_AGO)
    return run


@pytest.mark.parametrize("child", ["created", "running", "manual", "canceling", "waiting_for_callback", "thinking"])
@pytest.mark.parametrize("options", [{}, {"jobs": ["roll out"]}])
def test_it_is_waited_for_until_it_is_over(there: GitLab, child: str, options: dict[str, Any]) -> None:
    run, progress = look(gitlab, over(there, child, **options))
    assert progress.state == RunState.RUNNING
    words = f"pipeline 80 of its trigger roll out is {child.replace('_', ' ')}"
    assert progress.text == f"GitLab calls pipeline 61 a success, but {words}."
    there.bridges[0]["downstream_pipeline"]["status"] = "success"
    assert look(gitlab, run)[1].outcome == "succeeded"


@pytest.mark.parametrize("child", ["failed", "canceled", "skipped"])
def test_one_that_is_named_must_succeed(there: GitLab, child: str) -> None:
    progress = look(gitlab, over(there, child, jobs=["roll out"]))[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert f"pipeline 80 of its trigger roll out is {child}" in progress.problem


def test_of_one_that_failed_and_is_not_named_nobody_knows_whether_it_deploys(there: GitLab) -> None:
    progress = look(gitlab, over(there, "failed"))[1]
    assert progress.state == RunState.LOST
    assert "Nobody can say whether that one deploys. `jobs` under `deploy`" in progress.problem


@pytest.mark.parametrize(
    ("child", "may_fail", "options"),
    [("failed", False, {"jobs": ["test"]}), ("failed", True, {}), ("running", True, {}), (None, False, {})],
)
def test_what_deploys_nothing_is_not_waited_for(
    there: GitLab, child: str | None, may_fail: bool, options: dict[str, Any]
) -> None:
    assert look(gitlab, over(there, child, may_fail=may_fail, **options))[1].outcome == "succeeded"


def test_a_cancel_reaches_it(there: GitLab) -> None:
    run = replace(over(there, "running"), is_cancelled=True)
    answer = there.answer

    def stopping(asked: Asked) -> Answered:
        if asked.path == "/api/v4/projects/5/pipelines/80/cancel":
            there.bridges[0]["downstream_pipeline"]["status"] = "canceled"
            return Answered(200, {"id": 80})
        return answer(asked)

    there.answer = stopping  # type: ignore[method-assign]
    assert look(gitlab, run)[1].state == RunState.RUNNING
    assert gitlab.cancel(run)
    progress = look(gitlab, run)[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")
    assert gitlab.cancel(run)
    assert there.count("POST /cancel") == 1


def test_one_that_waits_for_a_person_holds_no_cancel_up(there: GitLab) -> None:
    run = replace(over(there, "manual"), is_cancelled=True)
    assert gitlab.cancel(run)
    assert look(gitlab, run)[1].outcome == "cancelled"
    assert there.count("POST /cancel") == 0


@pytest.mark.parametrize(("status", "outcome"), [("failed", "failed"), ("canceled", "cancelled")])
def test_a_pipeline_that_failed_is_not_over_while_what_it_started_still_deploys(
    there: GitLab, status: str, outcome: str
) -> None:
    """The environment is held until then: the next deployment would run beside it."""
    run = over(there, "running")
    there.pipelines[0]["status"] = status
    run, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING
    assert f"GitLab calls pipeline 61 {status}, and pipeline 80 of its trigger roll out is running." == progress.text
    there.bridges[0]["downstream_pipeline"]["status"] = "success"
    assert look(gitlab, run)[1].outcome == outcome


def test_so_is_one_whose_named_job_was_skipped(there: GitLab) -> None:
    run = over(there, "running", jobs=["roll out", "verify"])
    assert look(gitlab, run)[1].state == RunState.RUNNING
    there.bridges[0]["downstream_pipeline"]["status"] = "failed"
    assert "it has no job verify" in look(gitlab, run)[1].problem
