"""Doing again only what failed in a pipeline of GitLab: asked for once, and only jobs that came after it count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.deployments.dispatchers import InDoubt, NotSent, Refused, Run, RunState
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.keys import public_name
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import COMMIT, OTHER_COMMIT, serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, GitLab

START, AGAIN = "POST /pipeline$", "POST /pipelines/61/retry$"
ENDED, LATER = "2026-11-28T12:00:00.000Z", "2026-11-28T12:30:00.000Z"
gitlab = GitLabDispatcher()


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


def failed(there: GitLab, status: str = "failed", **options: Any) -> Run:
    """The attempt whose pipeline is over, as the engine keeps it."""
    run = run_of("gitlab", there.url, {"token": TOKEN}, {"project": PROJECT, **options})
    run = dispatched(gitlab, replace(run, external=gitlab.prepare(run)))
    there.job(7, "plan", "success")
    there.job(8, "apply", status)
    there.pipelines[0].update(status=status, finished_at=ENDED)
    return look(gitlab, run)[0]


def again(run: Run) -> Run:
    """The attempt after it, prepared to do only what failed."""
    after = replace(run, key=f"{KEY}-2", attempt=2, before=run.external, external={}, memory={})
    return replace(after, external=gitlab.prepare(after), before=None)


def ends(there: GitLab, status: str) -> None:
    there.jobs[-1]["status"] = status
    there.pipelines[0].update(status=status, finished_at=LATER)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_what_failed_is_done_again_in_the_same_pipeline(there: GitLab, status: str) -> None:
    run = dispatched(gitlab, again(failed(there, status)))
    assert (there.count(START), there.count(AGAIN), len(there.pipelines)) == (1, 1, 1)
    run, progress = look(gitlab, run)
    assert (progress.state, [step.key for step in progress.steps]) == (RunState.RUNNING, ["job-7", "job-908"])
    ends(there, "success")
    run, progress = look(gitlab, run)
    assert (progress.outcome, progress.external["pipeline"]) == ("succeeded", 61)
    assert run.external["tries"] == 0  # nothing of it failed: nothing can be done again


def test_a_repeat_that_failed_can_be_repeated(there: GitLab) -> None:
    run = dispatched(gitlab, again(failed(there)))
    ends(there, "failed")
    run, progress = look(gitlab, run)
    assert progress.outcome == "failed"
    dispatched(gitlab, again(run))
    assert (there.count(AGAIN), [row["id"] for row in there.jobs]) == (2, [7, 8, 908, 1808])


@pytest.mark.parametrize("fault", ["drop", "text"])
def test_a_repeat_whose_answer_was_lost_is_found_by_its_new_job(there: GitLab, fault: str) -> None:
    run = again(failed(there))
    there.faults[AGAIN] = fault
    run, progress = look(gitlab, dispatched(gitlab, run))
    assert progress.state == RunState.RUNNING
    ends(there, "success")
    assert look(gitlab, run)[1].outcome == "succeeded"
    assert there.count(AGAIN) == 1


@pytest.mark.parametrize("fault", ["cut", 502])
def test_a_repeat_that_never_arrived_is_unknown_after_a_minute_and_the_end_before_ends_nothing(
    there: GitLab, fault: Any
) -> None:
    run = again(failed(there))
    there.faults[AGAIN] = fault
    run, progress = look(gitlab, dispatched(gitlab, run))
    assert (progress.state, progress.steps) == (RunState.RUNNING, ())
    _, progress = look(gitlab, later(run, 61))
    assert progress.state == RunState.LOST
    assert "The answer of GitLab was lost, and pipeline 61 has no new try" in progress.problem
    assert there.count(AGAIN) == 1


def test_the_end_of_the_try_before_ends_nothing_while_gitlab_still_shows_it(there: GitLab) -> None:
    run = dispatched(gitlab, again(failed(there)))
    there.pipelines[0]["status"] = "failed"
    for state in ("pending", "success"):
        there.jobs[-1]["status"] = state
        run, progress = look(gitlab, run)
        assert progress.state == RunState.RUNNING
    there.jobs[-1]["status"] = "pending"
    assert look(gitlab, later(run, 300))[1].state == RunState.RUNNING, "it waits for a runner"
    there.jobs[-1]["status"] = "failed"
    assert look(gitlab, later(run, 300))[1].outcome == "failed", "nothing of it goes on any more"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha": OTHER_COMMIT}, "is at ffffffffff, not at the approved a1b2c3d4e5"),
        ({"status": "running"}, "is not over"),
        ({"status": "skipped"}, "is not over"),
    ],
)
def test_a_pipeline_that_is_something_else_by_now_is_not_repeated(
    there: GitLab, change: dict[str, Any], words: str
) -> None:
    run = again(failed(there))
    there.pipelines[0].update(change)
    with pytest.raises(Refused, match=words):
        gitlab.dispatch(run)
    assert there.count(AGAIN) == 0


def test_what_somebody_did_again_meanwhile_is_not_done_again(there: GitLab) -> None:
    run = again(failed(there))
    there.job(9, "apply", "failed")
    with pytest.raises(Refused, match="was repeated by somebody else"):
        gitlab.dispatch(run)
    assert there.count(AGAIN) == 0


def test_where_no_job_would_be_done_again_there_is_nothing_to_repeat(there: GitLab) -> None:
    run = run_of("gitlab", there.url, {"token": TOKEN}, {"project": PROJECT})
    run = dispatched(gitlab, run)
    child = {"id": 80, "sha": COMMIT, "ref": "main", "status": "failed", "web_url": "https://gitlab.example.org/p/80"}
    there.job(12, "downstream", "failed", downstream_pipeline=child)
    there.pipelines[0].update(status="failed", finished_at=ENDED)
    run, progress = look(gitlab, run)
    assert (progress.outcome, run.external["tries"]) == ("failed", 0)
    with pytest.raises(Refused, match="Retry it as a whole"):
        again(run)


@pytest.mark.parametrize(
    ("rule", "fault", "kind"),
    [
        ("GET /pipelines/61$", 404, Refused),
        ("GET /pipelines/61$", 503, NotSent),
        ("GET /pipelines/61/jobs$", 503, NotSent),
        ("GET /pipelines/61/jobs$", 403, NotSent),
        (AGAIN, 403, Refused),
        (AGAIN, 429, NotSent),
        (AGAIN, 500, InDoubt),
        (AGAIN, "drop", InDoubt),
    ],
)
def test_what_an_answer_lets_conclude_about_the_repeat(
    there: GitLab, rule: str, fault: Any, kind: type[Exception]
) -> None:
    run = again(failed(there))
    there.faults[rule] = fault
    with pytest.raises(kind) as raised:
        gitlab.dispatch(run)
    assert type(raised.value) is kind


def test_a_repeat_at_a_tag_finds_it_again(there: GitLab) -> None:
    run = failed(there, tag=True)
    tag = f"portal/staging/{public_name(KEY)}"
    gitlab.discard(run)
    assert there.tags == {}
    run = dispatched(gitlab, again(run))
    assert there.tags == {tag: COMMIT}
    ends(there, "success")
    run, progress = look(gitlab, run)
    assert progress.outcome == "succeeded"
    gitlab.discard(run)
    assert there.tags == {}


def test_cancelling_stops_the_new_try_and_nothing_before_it_began(there: GitLab) -> None:
    run = again(failed(there))
    assert gitlab.cancel(run) is False
    run = dispatched(gitlab, run)
    assert gitlab.cancel(run) is True
    assert there.pipelines[0]["status"] == "canceled"
