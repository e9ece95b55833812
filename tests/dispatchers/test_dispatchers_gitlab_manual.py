"""Manual jobs of GitLab: a pipeline that GitLab calls a success deployed nothing while the job that deploys was not played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.core.clock import now
from apps.deployments.dispatchers import Progress, Run, RunState
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from tests.support.remote_runs import dispatched, later, look, run_of
from tests.support.stub_server import serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, GitLab

gitlab = GitLabDispatcher()
OPTIONAL = {"allow_failure": True}
"""What plain `when: manual` makes of a job."""


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


def over(there: GitLab, *jobs: tuple[str, str], status: str = "success", **options: Any) -> Run:
    """A pipeline that is over by GitLab's word, with these optional jobs beside a test."""
    run = dispatched(gitlab, run_of("gitlab", there.url, {"token": TOKEN}, {"project": PROJECT, **options}))
    there.job(6, "test", "skipped" if status == "skipped" else "success")
    for number, (name, state) in enumerate(jobs, 7):
        there.job(number, name, state, **OPTIONAL)
    there.pipelines[0].update(status=status, finished_at=now().isoformat())
    return run


def offers(progress: Progress) -> dict[str, tuple[str, ...]]:
    return {step.name.partition(" / ")[2]: step.offers for step in progress.steps}


@pytest.mark.parametrize("status", ["success", "skipped"])
def test_a_pipeline_whose_manual_job_was_not_played_waits_for_that(there: GitLab, status: str) -> None:
    run, progress = look(gitlab, over(there, ("deploy", "manual"), status=status))
    assert (progress.state, progress.outcome) == (RunState.RUNNING, "")
    assert "is over, but for what was not played: deploy" in progress.text
    assert "`jobs` under `deploy` in portal.yaml" in progress.text
    assert offers(progress) == {"test": (), "deploy": ("play",)}
    gitlab.act(run, "job-7", "play")
    there.jobs[1]["status"], there.pipelines[0]["status"] = "success", "success"
    assert look(gitlab, run)[1].outcome == "succeeded"


@pytest.mark.parametrize(("state", "words"), [("failed", "failed"), ("canceled", "was cancelled")])
def test_a_manual_job_that_was_played_must_succeed_though_gitlab_lets_it_fail(
    there: GitLab, state: str, words: str
) -> None:
    run, _ = look(gitlab, over(there, ("deploy", "manual")))
    there.jobs[1]["status"] = state
    run, progress = look(gitlab, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert progress.problem.endswith(f"the job deploy, which had waited to be played, {words}.")


def test_what_nobody_plays_is_unknown_after_an_hour_and_not_before(there: GitLab) -> None:
    run = over(there, ("stop", "manual"))
    for minutes, state in ((59, RunState.RUNNING), (61, RunState.LOST)):
        there.pipelines[0]["finished_at"] = (now() - timedelta(minutes=minutes)).isoformat()
        run, progress = look(gitlab, run)
        assert progress.state == state
    assert "Within 60 minutes nobody did, and nobody can say whether it deploys" in progress.problem
    assert offers(progress)["stop"] == ()


def test_a_timeout_of_portal_yaml_is_the_time_that_is_waited(there: GitLab) -> None:
    run = later(over(there, ("deploy", "manual"), timeout=7200.0), 7000)
    there.pipelines[0]["finished_at"] = (now() - timedelta(minutes=90)).isoformat()
    assert look(gitlab, run)[1].state == RunState.RUNNING
    assert look(gitlab, later(run, 7300))[1].state == RunState.LOST


def test_jobs_that_are_named_must_succeed_and_no_other_is_waited_for(there: GitLab) -> None:
    run = over(there, ("deploy", "success"), ("stop", "manual"), jobs=("deploy",))
    assert look(gitlab, run)[1].outcome == "succeeded"
    there.jobs[1]["status"] = "manual"
    there.pipelines[0]["finished_at"] = (now() - timedelta(days=2)).isoformat()
    run, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING, (
        "it is known which job deploys, so it is waited for as for any manual job"
    )
    assert progress.text.endswith("was not played: deploy. Play it, or cancel.")


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((("deploy", "skipped"),), "the job deploy, which `jobs` in portal.yaml names, was skipped"),
        ((("deploy", "failed"),), "the job deploy, which `jobs` in portal.yaml names, failed"),
        (
            (("deploy: [eu]", "success"), ("deploy: [us]", "failed")),
            "the job deploy: [us], which `jobs` in portal.yaml names, failed",
        ),
        ((("deployment", "success"),), "it has no job deploy, which `jobs` in portal.yaml names"),
        ((("deploy", "failed"), ("verify", "manual")), "the job deploy, which `jobs` in portal.yaml names, failed"),
    ],
)
def test_a_success_without_the_jobs_that_are_named_is_none(there: GitLab, states: Any, words: str) -> None:
    names = ("deploy", "verify") if len(states) > 1 and states[1][0] == "verify" else ("deploy",)
    progress = look(gitlab, over(there, *states, jobs=names))[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert words in progress.problem


def test_what_needs_a_job_that_was_not_played_is_skipped_until_then(there: GitLab) -> None:
    run = over(there, ("deploy", "manual"), ("verify", "skipped"), jobs=("deploy", "verify"))
    assert look(gitlab, run)[1].state == RunState.RUNNING


@pytest.mark.parametrize("parts", [("deploy 1/2", "deploy 2/2"), ("deploy: [eu, a]", "deploy: [us, b]")])
def test_a_name_stands_for_all_parts_of_a_parallel_job(there: GitLab, parts: tuple[str, str]) -> None:
    run = over(there, (parts[0], "success"), (parts[1], "success"), jobs=("deploy",))
    assert look(gitlab, run)[1].outcome == "succeeded"


def test_cancelling_ends_what_waits_for_a_person(there: GitLab) -> None:
    """GitLab cancels no manual jobs, so a pipeline that is blocked by one stays as it is."""
    run = replace(over(there, ("deploy", "manual")), is_cancelled=True)
    assert gitlab.cancel(run) is True
    progress = look(gitlab, run)[1]
    assert (progress.state, progress.outcome, offers(progress)["deploy"]) == (RunState.ENDED, "cancelled", ())
    there.pipelines[0]["status"] = "manual"
    there.job(9, "verify", "created")
    assert gitlab.cancel(run) is True
    assert look(gitlab, run)[1].state == RunState.RUNNING, "what was not cancelled yet may go on"
    there.jobs[-1]["status"] = "canceled"
    progress = look(gitlab, run)[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")
