"""Workflow runs of GitHub: the approved commit or none, one run a key, and nothing of another run counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused, Run, RunState
from apps.deployments.dispatchers.github import GitHubDispatcher
from apps.deployments.dispatchers.github import test as try_github
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import COMMIT, OTHER_COMMIT, Answered, serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

START = "POST /dispatches$"
CREDENTIALS = {"token": TOKEN}
OPTIONS = {"repository": REPOSITORY, "workflow": "deploy.yml"}
github = GitHubDispatcher()


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def run(there: GitHub) -> Run:
    return run_of("github", there.url, CREDENTIALS, OPTIONS)


def with_options(run: Run, **options: Any) -> Run:
    return replace(run, options={**OPTIONS, **options})


def running(there: GitHub, run: Run) -> Run:
    found = dispatched(github, run)
    there.runs[0]["status"] = "in_progress"
    return found


def log_of(run: Run, key: str = "job-7") -> bytes:
    github.observe(run)
    return github.read_log(run, key, 0, 100_000_000)


def test_a_run_starts_at_the_approved_commit_and_is_told_the_key(there: GitHub, run: Run) -> None:
    found = dispatched(github, with_options(run, inputs={"region": "eu", "portal_key": "forged"}))
    assert found.external["run"] == 30433642
    assert found.external["link"] == "https://github.com/acme/infra/actions/runs/30433642"
    assert there.inputs[30433642] == {"region": "eu", "portal_key": KEY, "portal_commit": COMMIT}
    assert there.deployments == []


def test_an_input_that_the_workflow_does_not_declare_is_a_refusal_that_tells_what_to_do(
    there: GitHub, run: Run
) -> None:
    with pytest.raises(Refused, match=r"Unexpected inputs provided.*must declare `portal_key`"):
        github.dispatch(with_options(run, inputs={"colour": "red"}))
    assert there.runs == []


def test_jobs_and_their_steps_are_steps(there: GitHub, run: Run) -> None:
    run = running(there, run)
    inner = [
        {"name": "Set up job", "status": "completed", "conclusion": "success", "number": 1},
        {"name": "Run apply", "status": "completed", "conclusion": "failure", "number": 2},
        {"name": "Tell", "status": "completed", "conclusion": "skipped", "number": 3},
    ]
    there.job(7, "deploy", "completed", "failure", steps=inner)
    there.job(8, "check", "queued")
    run, progress = look(github, run)
    assert [(step.key, step.name, str(step.state)) for step in progress.steps] == [
        ("job-7", "deploy", "ended"),
        ("job-7/1", "deploy › Set up job", "ended"),
        ("job-7/2", "deploy › Run apply", "ended"),
        ("job-7/3", "deploy › Tell", "waiting"),
        ("job-8", "check", "waiting"),
    ]
    assert progress.steps[0].problem == "its step 'Run apply' failed."
    there.end("failure")
    _, progress = look(github, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")


def test_what_fails_in_a_run_that_succeeds_was_optional(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.job(7, "lint", "completed", "failure")
    there.end("success")
    _, progress = look(github, run)
    assert progress.outcome == "succeeded"
    assert progress.steps[0].is_optional


def test_all_pages_of_jobs_are_read(there: GitHub, run: Run) -> None:
    run = running(there, run)
    for number in range(1, 131):
        there.job(number, f"job {number}", "queued")
    assert len(look(github, run)[1].steps) == 130


@pytest.mark.parametrize(
    ("conclusion", "outcome"),
    [("success", "succeeded"), ("timed_out", "failed"), ("skipped", "failed"), ("startup_failure", "failed")],
)
def test_the_conclusion_of_the_run_is_its_outcome(there: GitHub, run: Run, conclusion: str, outcome: str) -> None:
    run = running(there, run)
    there.end(conclusion)
    assert look(github, run)[1].outcome == outcome


@pytest.mark.parametrize("conclusion", ["neutral", "stale", "action_required", "blessed"])
def test_a_conclusion_that_is_neither_is_unknown_and_never_a_success(there: GitHub, run: Run, conclusion: str) -> None:
    run = running(there, run)
    there.end(conclusion)
    _, progress = look(github, run)
    assert (progress.state, progress.outcome) == (RunState.LOST, "")
    assert conclusion in progress.problem


def test_a_run_that_waits_for_an_approval_says_so_and_its_time_limit_counts(there: GitHub, run: Run) -> None:
    run = running(there, with_options(run, timeout=600.0))
    there.runs[0]["status"] = "waiting"
    run, progress = look(github, run)
    assert "approves it in GitHub" in progress.text
    _, progress = look(github, later(run, 601))
    assert progress.state == RunState.LOST
    assert "did not end within 600 s" in progress.problem


def test_a_branch_that_is_at_another_commit_starts_nothing(there: GitHub, run: Run) -> None:
    there.head = OTHER_COMMIT
    with pytest.raises(Refused, match="main in acme/infra is at ffffffffff, not at the approved a1b2c3d4e5"):
        github.dispatch(with_options(run, environment="production"))
    assert (there.runs, there.deployments) == ([], [])


def test_a_branch_that_moves_in_between_is_noticed_and_the_run_is_cancelled(there: GitHub, run: Run) -> None:
    there.raced = OTHER_COMMIT
    run = dispatched(github, run)
    run, progress = look(github, run)
    assert progress.state == RunState.RUNNING
    assert there.runs[0]["conclusion"] == "cancelled"
    _, progress = look(github, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert "What was approved is what runs" in progress.problem


def test_a_run_of_another_commit_that_succeeded_is_a_failure(there: GitHub, run: Run) -> None:
    there.raced = OTHER_COMMIT
    run = dispatched(github, run)
    there.end("success")
    assert look(github, run)[1].outcome == "failed"


@pytest.mark.parametrize("fault", ["drop", "text"])
def test_an_answer_that_was_lost_is_found_by_its_key_and_nothing_starts_twice(
    there: GitHub, run: Run, fault: str
) -> None:
    there.add("the key of another run")
    there.faults[START] = fault
    run = dispatched(github, run)
    assert "run" not in run.external
    there.add(f"a copy of {KEY}", by="mallory")
    run, progress = look(github, run)
    assert progress.state == RunState.RUNNING
    assert run.external["run"] == 30433643
    assert there.count(START) == 1


def test_a_server_that_tells_no_run_is_searched(there: GitHub, run: Run) -> None:
    there.tells_run = False
    run = dispatched(github, run)
    assert run.external["accepted"]
    assert look(github, run)[0].external["run"] == 30433642


def test_a_workflow_that_does_not_show_the_key_is_unknown_with_words_that_help(there: GitHub, run: Run) -> None:
    there.tells_run = there.shows_key = False
    run = dispatched(github, run)
    assert look(github, run)[1].state == RunState.RUNNING
    _, progress = look(github, later(run, 61))
    assert progress.state == RunState.LOST
    assert "1 runs of deploy.yml at this commit" in progress.problem
    assert "run-name: ${{ inputs.portal_key }}" in progress.problem
    assert there.count(START) == 1


def test_a_request_that_never_arrived_is_looked_for_a_minute_and_then_unknown(there: GitHub, run: Run) -> None:
    there.faults[START] = "cut"
    run = dispatched(github, run)
    assert look(github, run)[1].state == RunState.RUNNING
    assert look(github, later(run, 61))[1].state == RunState.LOST
    assert there.count(START) == 1


@pytest.mark.parametrize(
    ("rule", "fault", "kind"),
    [
        ("GET /commits/", 401, Refused),
        ("GET /commits/", 404, Refused),
        ("GET /commits/", 503, NotSent),
        ("GET /commits/", "text", NotSent),
        ("POST /deployments$", 403, Refused),
        ("POST /deployments$", 502, NotSent),
        ("POST /deployments$", "text", NotSent),
        (START, 401, Refused),
        (START, 404, Refused),
        (START, 422, Refused),
        (START, 429, NotSent),
        (START, 500, InDoubt),
        (START, "drop", InDoubt),
    ],
)
def test_what_an_answer_lets_conclude_about_the_start(
    there: GitHub, run: Run, rule: str, fault: Any, kind: type[Exception]
) -> None:
    there.faults[rule] = fault
    with pytest.raises(kind) as raised:
        github.dispatch(with_options(run, environment="production"))
    assert TOKEN not in str(raised.value)
    assert type(raised.value) is kind


def test_a_secondary_rate_limit_is_no_refusal(there: GitHub, run: Run) -> None:
    there._dispatch = lambda *_: Answered(403, {"message": "secondary rate limit"}, {"Retry-After": "60"})  # type: ignore[method-assign]
    with pytest.raises(NotSent, match="secondary rate limit"):
        github.dispatch(run)


@pytest.mark.parametrize("name", ["acme", "../..", "acme/..", "./infra", "acme/infra/../other", "acme/in fra"])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_asked(there: GitHub, run: Run, name: str) -> None:
    with pytest.raises(Refused, match="no repository"):
        github.dispatch(with_options(run, repository=name))
    assert there.asked == []


def test_a_github_that_cannot_be_reached_got_nothing(run: Run) -> None:
    away = Outside("corp", "github", "http://127.0.0.1:9", CREDENTIALS)
    with pytest.raises(NotSent, match="cannot be reached"):
        github.dispatch(replace(run, outside=away))


@pytest.mark.parametrize("fault", [401, 403, 429, 500, "cut", "text"])
def test_trouble_while_following_says_nothing_about_the_run(there: GitHub, run: Run, fault: Any) -> None:
    run = running(there, run)
    there.faults["GET /runs/30433642$"] = fault
    with pytest.raises(Unavailable) as raised:
        look(github, run)
    assert not isinstance(raised.value, Refused)
    assert TOKEN not in str(raised.value)


def test_a_run_that_is_not_shown_yet_is_waited_for_and_one_that_is_gone_is_unknown(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.runs.clear()
    assert look(github, run)[1].state == RunState.RUNNING
    assert look(github, later(run, 61))[1].state == RunState.LOST


@pytest.mark.parametrize(
    "other", [{"id": 5}, {"repository": {"full_name": "acme/other"}}, {"event": "push"}, {"repository": None}]
)
def test_the_state_of_another_run_changes_nothing(there: GitHub, run: Run, other: dict[str, Any]) -> None:
    run = running(there, run)
    there.end("success")
    there._run = lambda *_: Answered(200, {**there.runs[0], **other})  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="another run"):
        look(github, run)


def test_jobs_of_another_run_are_not_taken(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.job(7, "deploy", "completed", "success", run_id=1)
    with pytest.raises(Unavailable, match="another run"):
        look(github, run)


def test_cancelling_stops_the_run(there: GitHub, run: Run) -> None:
    assert github.cancel(run) is False
    run = running(there, run)
    assert github.cancel(run) is True
    assert github.cancel(run) is True
    assert there.count("POST /cancel$") == 1
    assert look(github, run)[1].outcome == "cancelled"


def test_a_refused_cancelling_does_not_end_the_run(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.faults["POST /cancel$"] = 403
    with pytest.raises(Unavailable) as raised:
        github.cancel(run)
    assert not isinstance(raised.value, Refused)


def test_logs_of_ended_jobs_are_fetched_without_the_token(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.job(7, "deploy", "completed", "success")
    there.job(8, "check", "in_progress")
    there.logs = {7: b"\xef\xbb\xbfone\ntwo\n", 8: b"early"}
    assert log_of(run) == b"one\ntwo\n"
    assert github.read_log(run, "job-7", 4, 3) == b"two"
    assert log_of(run, "job-8") == b""
    assert log_of(run, "job-7/1") == b""
    assert there.count("GET /blob/7$") == 1


@pytest.mark.parametrize(
    "where",
    ["http://elsewhere.example/log", "https://169.254.169.254/latest", "https://user:pw@127.0.0.1/x", "ftp://x/y"],
)
def test_a_log_is_not_fetched_from_where_a_connection_may_not_go(there: GitHub, run: Run, where: str) -> None:
    run = running(there, run)
    there.job(7, "deploy", "completed", "success")
    there.logs, there.log_at = {7: b"one"}, where
    with pytest.raises(Unavailable, match="keeps this where it is not read"):
        log_of(run)


def test_trouble_at_the_store_of_logs_never_tells_the_signature(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.job(7, "deploy", "completed", "success")
    there.logs = {7: b"one"}
    there.faults["GET /blob/"] = 403
    with pytest.raises(Unavailable, match="answered 403") as raised:
        log_of(run)
    assert "s3cr3t-signature" not in str(raised.value)


def test_a_log_that_is_not_stored_yet_is_waited_for_and_one_that_expired_is_empty(there: GitHub, run: Run) -> None:
    run = running(there, run)
    job = there.job(7, "deploy", "completed", "success", completed_at=now().isoformat())
    with pytest.raises(Unavailable, match="not stored the log"):
        log_of(run)
    job["completed_at"] = "2026-01-02T03:04:05Z"
    assert log_of(replace(run, memory={})) == b""


def test_an_environment_is_written_once_for_a_key_and_told_how_it_ended(there: GitHub, run: Run) -> None:
    run = with_options(run, environment="production")
    there.faults["POST /deployments$"] = "drop"
    assert not dispatched(github, run).is_sent
    there.faults = {START: 429}
    assert not dispatched(github, run).is_sent
    there.faults.clear()
    there.deployments[0]["payload"] = json.dumps({"portal_key": KEY})
    run = running(there, run)
    assert len(there.deployments) == 1
    assert (there.deployments[0]["sha"], there.deployments[0]["environment"]) == (COMMIT, "production")
    there.end("success")
    github.discard(run)
    github.discard(run)
    assert [status["state"] for status in there.statuses] == ["queued", "success"]
    assert there.statuses[0]["target_url"].endswith("/30433642")


def test_an_environment_whose_status_cannot_be_written_does_not_stop_the_run(there: GitHub, run: Run) -> None:
    there.faults["POST /statuses$"] = 500
    run = running(there, with_options(run, environment="production"))
    there.end("failure")
    github.discard(run)
    assert look(github, run)[1].outcome == "failed"


def test_an_environment_is_not_told_success_of_another_commit(there: GitHub, run: Run) -> None:
    there.raced = OTHER_COMMIT
    run = dispatched(github, with_options(run, environment="production"))
    there.end("success")
    github.discard(run)
    assert there.statuses[-1]["state"] == "failure"


def test_hostile_names_become_plain_text_and_hostile_links_none(there: GitHub, run: Run) -> None:
    run = running(there, run)
    there.job(7, "\x1b[2J<script>\x00" + "x" * 5000, "in_progress", html_url="javascript:alert(1)")
    [step] = look(github, run)[1].steps
    assert step.name.startswith("[2J<script> x")
    assert (len(step.name), step.link) == (80, "")


def test_the_test_of_a_connection_says_who_it_is(there: GitHub) -> None:
    assert "portal-bot" in try_github(Outside("corp", "github", there.url, CREDENTIALS))
    with pytest.raises(Unavailable, match="does not accept the credentials"):
        try_github(Outside("corp", "github", there.url, {"token": "wrong"}))
