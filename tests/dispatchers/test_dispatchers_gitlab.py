"""Pipelines of GitLab: the approved commit or none, one pipeline a key, and nothing of another pipeline counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused, Run, RunState, StepState
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.dispatchers.gitlab import test as try_gitlab
from tests.support.remote_runs import KEY, dispatched, later, look, run_of, sent
from tests.support.stub_server import COMMIT, MINUTE_AGO, OTHER_COMMIT, serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, TRIGGER, GitLab

START = "POST /pipeline$"
CREDENTIALS = {"token": TOKEN}
gitlab = GitLabDispatcher()


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


@pytest.fixture
def run(there: GitLab) -> Run:
    return run_of("gitlab", there.url, CREDENTIALS, {"project": PROJECT})


def running(there: GitLab, run: Run) -> Run:
    found = dispatched(gitlab, run)
    there.pipelines[0]["status"] = "running"
    return found


def log_of(run: Run, key: str = "job-7") -> bytes:
    return gitlab.read_log(run, key, 0, 100_000_000)


def test_a_pipeline_starts_at_the_approved_commit_and_is_told_why(there: GitLab, run: Run) -> None:
    options = {
        "project": PROJECT,
        "variables": {"REGION": "eu", "DRY": True, "PORTAL_KEY": "forged"},
        "inputs": {"size": 3},
    }
    found = dispatched(gitlab, replace(run, options=options))
    assert found.external["pipeline"] == 61
    assert found.external["link"].endswith("/-/pipelines/61")
    assert there.pipelines[0]["sha"] == COMMIT
    told = there.variables[61]
    assert (told["PORTAL_KEY"], told["PORTAL_COMMIT"], told["PORTAL_CHANGE"]) == (KEY, COMMIT, "c-12")
    assert (told["PORTAL_ENVIRONMENT"], told["REGION"], told["DRY"]) == ("staging", "eu", "true")
    assert next(asked.body["inputs"] for asked in there.asked if asked.method == "POST") == {"size": 3}


def test_with_a_trigger_token_it_starts_by_the_trigger(there: GitLab) -> None:
    with_trigger = {"token": TOKEN, "trigger_token": TRIGGER}
    run = run_of("gitlab", there.url, with_trigger, {"project": PROJECT, "variables": {"A": 1}, "inputs": {"size": 3}})
    assert dispatched(gitlab, run).external["pipeline"] == 61
    assert there.count("POST /trigger/pipeline$") == 1
    assert (there.variables[61]["PORTAL_KEY"], there.variables[61]["A"]) == (KEY, "1")


def test_jobs_come_in_their_order_with_stage_link_and_end(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(9, "apply", "running")
    there.job(7, "plan", "success", stage="plan")
    there.job(8, "lint", "failed", stage="plan", allow_failure=True)
    there.job(10, "check", "created", stage="verify")
    run, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING
    assert [step.name for step in progress.steps] == ["plan / plan", "plan / lint", "deploy / apply", "verify / check"]
    assert [str(step.state) for step in progress.steps] == ["ended", "ended", "running", "waiting"]
    assert [step.is_optional for step in progress.steps] == [False, True, False, False]
    assert progress.steps[0].link.endswith("/-/jobs/7")
    there.pipelines[0]["status"] = "success"
    _, progress = look(gitlab, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded")


def test_all_pages_of_jobs_are_read(there: GitLab, run: Run) -> None:
    run = running(there, run)
    for number in range(1, 251):
        there.job(number, f"job {number}", "success")
    assert len(look(gitlab, run)[1].steps) == 250


def test_a_failed_job_fails_the_run_in_words(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(7, "apply", "failed")
    there.pipelines[0]["status"] = "failed"
    _, progress = look(gitlab, run)
    assert progress.outcome == "failed"
    assert progress.steps[0].problem == "its script ended with an error."


@pytest.mark.parametrize(
    ("status", "errors", "words"),
    [("skipped", None, "none of its jobs ran"), ("failed", "jobs:apply is not known", "jobs:apply is not known")],
)
def test_a_pipeline_without_a_job_that_ran_is_no_success(
    there: GitLab, run: Run, status: str, errors: str | None, words: str
) -> None:
    run = running(there, run)
    there.pipelines[0].update(status=status, yaml_errors=errors)
    _, progress = look(gitlab, run)
    assert progress.outcome == "failed"
    assert words in progress.problem


def test_a_manual_job_can_be_played_and_a_failed_one_retried_once(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(7, "apply", "manual")
    there.job(8, "smoke", "failed")
    run, progress = look(gitlab, run)
    assert [step.offers for step in progress.steps] == [("play",), ("retry",)]
    gitlab.act(run, "job-7", "play")
    gitlab.act(run, "job-8", "retry")
    assert [(row["id"], row["status"]) for row in there.jobs] == [(7, "pending"), (8, "failed"), (908, "pending")]
    with pytest.raises(Refused, match="Unplayable"):
        gitlab.act(run, "job-7", "play")
    assert [row["id"] for row in there.jobs] == [7, 8, 908]


def test_a_job_that_was_tried_again_stays_as_it_ended_and_offers_nothing(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(7, "apply", "running")
    look(gitlab, run)
    there.jobs[0].update(status="failed", failure_reason="script_failure", finished_at=MINUTE_AGO)
    there.job(8, "apply", "running")  # `retry:` in .gitlab-ci.yml
    child = {"id": 80, "sha": COMMIT, "ref": "main", "status": "failed", "web_url": "https://gitlab.example.org/p/80"}
    there.job(9, "downstream", "failed", downstream_pipeline=child)
    there.job(10, "downstream", "running", downstream_pipeline={**child, "status": "running"})
    run, progress = look(gitlab, run)
    assert [(step.key, str(step.state), step.is_optional, step.offers) for step in progress.steps] == [
        ("job-7", "ended", True, ()),
        ("job-8", "running", False, ()),
        ("bridge-9", "ended", True, ()),
        ("bridge-10", "running", False, ()),
    ]
    assert progress.steps[0].problem == "its script ended with an error."
    for row in (there.jobs[1], there.bridges[1]):
        row["status"] = "success"
    there.bridges[1]["downstream_pipeline"]["status"] = "success"
    there.pipelines[0]["status"] = "success"
    assert look(gitlab, run)[1].outcome == "succeeded"


def test_a_job_of_another_pipeline_is_not_played(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(7, "apply", "manual", pipeline=99)
    with pytest.raises(Unavailable, match="another run"):
        gitlab.act(run, "job-7", "play")
    with pytest.raises(Refused):
        gitlab.act(run, "job-7", "erase")
    assert there.count("POST /jobs/") == 0


def test_a_pipeline_that_waits_for_a_person_says_so(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.pipelines[0]["status"] = "manual"
    _, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING
    assert "somebody plays" in progress.text


def test_child_pipelines_are_shown_with_their_link(there: GitLab, run: Run) -> None:
    run = running(there, run)
    child = {"id": 80, "sha": COMMIT, "ref": "main", "status": "running", "web_url": "https://gitlab.example.org/p/80"}
    there.job(12, "downstream", "running", downstream_pipeline=child)
    run, progress = look(gitlab, run)
    assert (progress.steps[0].key, progress.steps[0].link) == ("bridge-12", "https://gitlab.example.org/p/80")
    assert log_of(run, "bridge-12") == b""


def test_a_state_that_is_not_known_is_never_a_success(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.pipelines[0]["status"] = "blessed"
    run, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING
    assert "'blessed', which this portal does not know" in progress.text
    timed = replace(later(run, 700), options={"project": PROJECT, "timeout": 600.0})
    _, progress = look(gitlab, timed)
    assert progress.state == RunState.LOST
    assert "did not end within 600 s" in progress.problem


def test_a_branch_that_is_at_another_commit_starts_nothing(there: GitLab, run: Run) -> None:
    there.head = OTHER_COMMIT
    with pytest.raises(Refused, match="main in platform/infra is at ffffffffff, not at the approved a1b2c3d4e5"):
        gitlab.dispatch(run)
    assert there.pipelines == []


def test_a_branch_that_moves_in_between_is_noticed_and_what_started_is_cancelled(there: GitLab, run: Run) -> None:
    there.raced = OTHER_COMMIT
    there.faults["POST /cancel$"] = 500
    run = dispatched(gitlab, run)
    there.faults.clear()
    run, progress = look(gitlab, run)  # the first cancelling failed; it is asked for again
    assert progress.state == RunState.RUNNING
    assert there.pipelines[0]["status"] == "canceled"
    _, progress = look(gitlab, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert "What was approved is what runs" in progress.problem


def test_a_pipeline_of_another_commit_that_succeeded_is_a_failure(there: GitLab, run: Run) -> None:
    there.raced = OTHER_COMMIT
    run = dispatched(gitlab, run)
    there.pipelines[0]["status"] = "success"
    assert look(gitlab, run)[1].outcome == "failed"


@pytest.mark.parametrize("fault", ["drop", "text"])
def test_an_answer_that_was_lost_is_found_by_its_key_and_nothing_starts_twice(
    there: GitLab, run: Run, fault: str
) -> None:
    there.add({"PORTAL_KEY": "the key of another run"})
    there.faults[START] = fault
    run = dispatched(gitlab, run)
    assert "pipeline" not in run.external
    run, progress = look(gitlab, run)
    assert progress.state == RunState.RUNNING
    assert run.external["pipeline"] == 62
    assert there.count(START) == 1


def test_a_request_that_never_arrived_is_looked_for_a_minute_and_then_unknown(there: GitLab, run: Run) -> None:
    there.add({"PORTAL_KEY": "the key of another run"})
    there.faults[START] = "cut"
    run = dispatched(gitlab, run)
    assert look(gitlab, run)[1].state == RunState.RUNNING
    _, progress = look(gitlab, later(run, 61))
    assert progress.state == RunState.LOST
    assert KEY in progress.problem
    assert there.count(START) == 1


def test_variables_that_may_not_be_read_find_nothing(there: GitLab, run: Run) -> None:
    there.faults[START] = "drop"
    run = dispatched(gitlab, run)
    there.faults["GET /variables$"] = 403
    assert look(gitlab, later(run, 61))[1].state == RunState.LOST


@pytest.mark.parametrize(
    ("rule", "fault", "kind"),
    [
        ("GET /projects/[^/]+$", 401, Refused),
        ("GET /projects/[^/]+$", 404, Refused),
        ("GET /commits/", 503, NotSent),
        ("GET /commits/", "text", NotSent),
        ("GET /commits/", "cut", NotSent),
        (START, 400, Refused),
        (START, 401, Refused),
        (START, 404, Refused),
        (START, 429, NotSent),
        (START, 502, InDoubt),
        (START, "drop", InDoubt),
    ],
)
def test_what_an_answer_lets_conclude_about_the_start(
    there: GitLab, run: Run, rule: str, fault: Any, kind: type[Exception]
) -> None:
    there.faults[rule] = fault
    with pytest.raises(kind, match=re.escape("corp (127.0.0.1)") if isinstance(fault, int) else None) as raised:
        gitlab.dispatch(run)
    assert TOKEN not in str(raised.value)
    assert type(raised.value) is kind


def test_a_gitlab_that_cannot_be_reached_got_nothing(run: Run) -> None:
    away = Outside("corp", "gitlab", "http://127.0.0.1:9", CREDENTIALS)
    with pytest.raises(NotSent, match="cannot be reached"):
        gitlab.dispatch(replace(run, outside=away))


@pytest.mark.parametrize("fault", [401, 429, 500, "cut", "text"])
def test_trouble_while_following_says_nothing_about_the_run(there: GitLab, run: Run, fault: Any) -> None:
    run = running(there, run)
    there.faults["GET /pipelines/61$"] = fault
    with pytest.raises(Unavailable) as raised:
        look(gitlab, run)
    assert not isinstance(raised.value, Refused)
    assert TOKEN not in str(raised.value)


def test_a_pipeline_that_is_not_shown_yet_is_waited_for_and_one_that_is_gone_is_unknown(
    there: GitLab, run: Run
) -> None:
    run = running(there, run)
    there.pipelines.clear()
    assert look(gitlab, run)[1].state == RunState.RUNNING
    assert look(gitlab, later(run, 61))[1].state == RunState.LOST


@pytest.mark.parametrize("other", [{"id": 62}, {"project_id": 4}])
def test_the_state_of_another_pipeline_changes_nothing(there: GitLab, run: Run, other: dict[str, int]) -> None:
    run = running(there, run)
    there.pipelines[0]["status"] = "success"
    answer = there._of_pipeline
    there._of_pipeline = lambda *told: replace(answer(*told), body={**there.pipelines[0], **other})  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="another run"):
        look(gitlab, run)


def test_cancelling_stops_the_pipeline_once(there: GitLab, run: Run) -> None:
    assert gitlab.cancel(run) is False
    run = running(there, run)
    assert gitlab.cancel(run) is True
    assert gitlab.cancel(run) is True
    assert there.count("POST /cancel$") == 1
    _, progress = look(gitlab, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")


def test_a_refused_cancelling_does_not_end_the_run(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.faults["POST /cancel$"] = 403
    with pytest.raises(Unavailable) as raised:
        gitlab.cancel(run)
    assert not isinstance(raised.value, Refused)


def test_a_cancelled_run_whose_answer_was_lost_is_found_and_stopped(there: GitLab, run: Run) -> None:
    there.faults[START] = "drop"
    run = dispatched(gitlab, run)
    assert gitlab.cancel(run) is True
    assert there.pipelines[0]["status"] == "canceled"


def test_the_log_comes_in_windows_without_marks_of_sections_and_is_bounded(
    there: GitLab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running(there, run)
    there.traces[7] = b"section_start:1:apply[collapsed=true]\r\x1b[0Kone\ntwo\nsection_end:2:apply\r\x1b[0K"
    assert log_of(run) == b"one\ntwo\n"
    assert gitlab.read_log(run, "job-7", 4, 3) == b"two"
    assert there.count("GET /trace$") == 1
    monkeypatch.setattr("apps.deployments.dispatchers.gitlab.LOG_MOST", 1000)
    monkeypatch.setattr("apps.deployments.dispatchers.remote.LOG_MOST", 1000)
    there.traces[8] = b"section_start:1:apply\r\x1b[0K" + b"x" * 2_000_000
    log = log_of(run, "job-8")
    assert len(log) < 1200
    assert log.startswith(b"x")
    assert log.endswith(b"The rest is to be read in the system that ran this.]\n")
    there.faults["GET /trace$"] = 404
    assert log_of(run, "job-9") == b""


def test_hostile_names_become_plain_text_and_hostile_links_none(there: GitLab, run: Run) -> None:
    run = running(there, run)
    there.job(7, "\x1b[2J<script>alert(1)</script>\x00" + "x" * 5000, "running", web_url="javascript:alert(1)")
    [step] = look(gitlab, run)[1].steps
    assert step.name.startswith("deploy / [2J<script>alert(1)</script>")
    assert (len(step.name), step.link, step.state) == (80, "", StepState.RUNNING)


def test_the_test_of_a_connection_says_who_it_is(there: GitLab) -> None:
    assert "project_3_bot" in try_gitlab(Outside("corp", "gitlab", there.url, CREDENTIALS))
    with pytest.raises(Unavailable, match="does not accept the credentials"):
        try_gitlab(Outside("corp", "gitlab", there.url, {"token": "wrong"}))


def test_not_sent_means_not_started(run: Run) -> None:
    assert gitlab.observe(run).state == RunState.NOT_STARTED
    assert sent(run).is_sent
