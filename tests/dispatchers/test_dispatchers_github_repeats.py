"""Doing again only what failed in a run of GitHub: its next try, asked for once, and no other try counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.deployments.dispatchers import InDoubt, NotSent, Refused, Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.keys import public_name
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import COMMIT, OTHER_COMMIT, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

START, AGAIN = "POST /dispatches$", "POST /rerun-failed-jobs$"
OPTIONS = {"repository": REPOSITORY, "workflow": "deploy.yml"}
github = GitHubDispatcher()


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


def failed(there: GitHub, conclusion: str = "failure", **options: Any) -> Run:
    """The attempt whose run is over, as the engine keeps it."""
    run = run_of("github", there.url, {"token": TOKEN}, {**OPTIONS, **options})
    run = dispatched(github, replace(run, external=github.prepare(run)))
    there.end(conclusion)
    return look(github, run)[0]


def again(run: Run) -> Run:
    """The attempt after it, prepared to do only what failed."""
    after = replace(run, key=f"{KEY}-2", attempt=2, before=run.external, external={}, memory={})
    return replace(after, external=github.prepare(after), before=None)


def test_what_failed_is_the_next_try_of_the_same_run(there: GitHub) -> None:
    run = dispatched(github, again(failed(there)))
    assert (there.count(START), there.count(AGAIN), there.runs[0]["run_attempt"]) == (1, 1, 2)
    run, progress = look(github, run)
    assert progress.state == RunState.RUNNING
    there.end("success")
    run, progress = look(github, run)
    assert (progress.outcome, progress.external["run"]) == ("succeeded", 30433642)
    assert run.external["tries"] == 0  # nothing of it failed: nothing can be done again


def test_a_repeat_that_failed_can_be_repeated(there: GitHub) -> None:
    run = dispatched(github, again(failed(there)))
    there.end("failure")
    run, _ = look(github, run)
    dispatched(github, again(run))
    assert (there.count(AGAIN), there.runs[0]["run_attempt"]) == (2, 3)


@pytest.mark.parametrize("fault", ["drop", "text"])
def test_a_repeat_whose_answer_was_lost_is_found_by_the_number_of_tries(there: GitHub, fault: str) -> None:
    run = again(failed(there))
    there.faults[AGAIN] = fault
    run, progress = look(github, dispatched(github, run))
    assert progress.state == RunState.RUNNING
    there.end("success")
    assert look(github, run)[1].outcome == "succeeded"
    assert there.count(AGAIN) == 1


@pytest.mark.parametrize("fault", ["cut", 502])
def test_a_repeat_that_never_arrived_is_unknown_after_a_minute_and_the_try_before_ends_nothing(
    there: GitHub, fault: Any
) -> None:
    run = again(failed(there))
    there.job(7, "deploy", "completed", "failure")
    there.faults[AGAIN] = fault
    run, progress = look(github, dispatched(github, run))
    assert (progress.state, progress.steps) == (RunState.RUNNING, ())
    _, progress = look(github, later(run, 61))
    assert progress.state == RunState.LOST
    assert "The answer of GitHub was lost, and run 30433642 has no new try" in progress.problem
    assert there.count(AGAIN) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head_sha": OTHER_COMMIT}, "is at ffffffffff, not at the approved a1b2c3d4e5"),
        ({"run_attempt": 2}, r"was repeated by somebody else \(try 2\)"),
        ({"run_attempt": 2, "status": "in_progress", "conclusion": None}, "was repeated by somebody else"),
        ({"status": "in_progress", "conclusion": None}, "is not over"),
        ({"conclusion": "success"}, "ended as 'success', so no job of it failed"),
        ({"conclusion": "action_required"}, "ended as 'action_required'"),
    ],
)
def test_a_run_that_is_something_else_by_now_is_not_repeated(there: GitHub, change: dict[str, Any], words: str) -> None:
    run = again(failed(there))
    there.runs[0].update(change)
    with pytest.raises(Refused, match=words):
        github.dispatch(run)
    assert there.count(AGAIN) == 0


@pytest.mark.parametrize(
    ("rule", "fault", "kind"),
    [
        ("GET /runs/30433642$", 404, Refused),
        ("GET /runs/30433642$", 503, NotSent),
        ("GET /runs/30433642$", "text", NotSent),
        (AGAIN, 403, Refused),
        (AGAIN, 429, NotSent),
        (AGAIN, 500, InDoubt),
        (AGAIN, "drop", InDoubt),
    ],
)
def test_what_an_answer_lets_conclude_about_the_repeat(
    there: GitHub, rule: str, fault: Any, kind: type[Exception]
) -> None:
    run = again(failed(there))
    there.faults[rule] = fault
    with pytest.raises(kind) as raised:
        github.dispatch(run)
    assert type(raised.value) is kind


def test_the_answer_about_another_run_repeats_nothing(there: GitHub) -> None:
    run = again(failed(there))
    there.runs[0]["event"] = "push"
    with pytest.raises(NotSent, match="another run"):
        github.dispatch(run)
    assert there.count(AGAIN) == 0


@pytest.mark.parametrize("conclusion", ["success", "skipped", "startup_failure"])
def test_of_a_run_in_which_no_job_failed_nothing_can_be_done_again(there: GitHub, conclusion: str) -> None:
    run = failed(there, conclusion)
    with pytest.raises(Refused, match="has no run any more of which only what failed"):
        again(run)


def test_a_repeat_stands_at_the_tag_of_the_first_run_which_is_there_again_while_it_runs(there: GitHub) -> None:
    there.head = OTHER_COMMIT
    run = failed(there, tag=True)
    github.discard(run)
    assert there.tags == {}
    run = dispatched(github, again(run))
    assert there.tags == {f"portal/staging/{public_name(KEY)}": COMMIT}
    there.end("success")
    run, progress = look(github, run)
    github.discard(run)
    assert (progress.outcome, there.tags) == ("succeeded", {})


def test_the_environment_is_told_of_a_repeat_as_of_a_deployment_of_its_own(there: GitHub) -> None:
    run = failed(there, environment="production")
    github.discard(run)
    run = dispatched(github, again(run))
    there.end("success")
    github.discard(run)
    assert [row["payload"]["portal_key"] for row in there.deployments] == [KEY, f"{KEY}-2"]
    assert [status["state"] for status in there.statuses] == ["queued", "failure", "queued", "success"]
    assert there.statuses[2]["target_url"].endswith("/30433642")


def test_cancelling_stops_the_new_try_and_nothing_before_it_began(there: GitHub) -> None:
    run = again(failed(there))
    assert github.cancel(run) is False
    there.faults[AGAIN] = "cut"
    run = dispatched(github, run)
    assert github.cancel(run) is True
    assert there.count("POST /cancel$") == 0
    there.runs[0].update(run_attempt=2, status="in_progress", conclusion=None)  # it did arrive
    assert github.cancel(run) is True
    assert look(github, run)[1].outcome == "cancelled"
