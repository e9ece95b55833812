"""Builds of Jenkins: the approved commit or a failure, one build a key, and nothing of another build counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments import queries, services
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused, Run, RunState
from apps.deployments.dispatchers.jenkins import JenkinsDispatcher
from apps.deployments.dispatchers.jenkins import test as try_jenkins
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.remote_runs import KEY, dispatched, later, look, run_of
from tests.support.stub_server import COMMIT, OTHER_COMMIT, serving
from tests.support.stubs_jenkins import JOB, TOKEN, USER, Jenkins

START = "POST /buildWithParameters$"
CREDENTIALS, SETTINGS = {"token": TOKEN}, {"user": USER}
jenkins = JenkinsDispatcher()
TROUBLE = (401, 403, 429, 500, "cut", "text")


@pytest.fixture
def there() -> Iterator[Jenkins]:
    with serving(Jenkins()) as stub:
        yield stub


@pytest.fixture
def run(there: Jenkins) -> Run:
    return run_of("jenkins", there.url, CREDENTIALS, {"job": JOB}, settings=SETTINGS)


def running(there: Jenkins, run: Run, **more: Any) -> Run:
    found = dispatched(jenkins, run)
    there.begin(**more)
    return look(jenkins, found)[0]


def stage(number: str, name: str, status: str) -> dict[str, Any]:
    return {"id": number, "name": name, "status": status, "startTimeMillis": 1767323045678, "durationMillis": 1200}


def test_a_build_is_asked_for_with_the_key_the_commit_and_what_the_job_declares(there: Jenkins, run: Run) -> None:
    options = {"job": f"/{JOB}/", "parameters": {"REGION": "eu", "PORTAL_COMMIT": OTHER_COMMIT}}
    found = dispatched(jenkins, replace(run, options=options))
    assert found.external["item"] == 101
    told = next(asked.body for asked in there.asked if asked.method == "POST")
    assert told == {"PORTAL_KEY": KEY, "PORTAL_COMMIT": COMMIT, "PORTAL_ENVIRONMENT": "staging", "REGION": "eu"}


def test_it_waits_in_the_queue_and_becomes_a_build(there: Jenkins, run: Run) -> None:
    run = dispatched(jenkins, run)
    run, progress = look(jenkins, run)
    assert (progress.state, "next available executor" in progress.text) == (RunState.RUNNING, True)
    there.begin()
    run, progress = look(jenkins, run)
    assert (run.external["build"], progress.text) == (5, "Jenkins build 5 runs.")
    there.items.clear()  # Jenkins forgets items after some minutes
    there.end("SUCCESS")
    _, progress = look(jenkins, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded")


def test_stages_are_steps_behind_the_log(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.stages = [stage("6", "Plan", "SUCCESS"), stage("9", "Apply", "FAILED"), stage("12", "Check", "NOT_EXECUTED")]
    there.end("FAILURE")
    _, progress = look(jenkins, run)
    assert [(step.key, str(step.state)) for step in progress.steps] == [
        ("console", "ended"),
        ("stage-6", "ended"),
        ("stage-9", "ended"),
        ("stage-12", "waiting"),
    ]
    assert progress.steps[0].link == "https://jenkins.example.org/job/apps/job/web/job/deploy/5/"
    assert progress.outcome == "failed"
    assert progress.problem == ""  # the stage says it
    assert progress.steps[2].problem == "the log of the build says why."


@pytest.mark.parametrize(
    ("result", "outcome", "words"),
    [
        ("SUCCESS", "succeeded", ""),
        ("FAILURE", "failed", "Jenkins build 5 failed."),
        ("UNSTABLE", "failed", "unstable"),
        ("NOT_BUILT", "failed", "did not build"),
        ("ABORTED", "cancelled", ""),
    ],
)
def test_the_result_of_the_build_is_its_outcome(
    there: Jenkins, run: Run, result: str, outcome: str, words: str
) -> None:
    run = running(there, run)
    there.end(result)
    _, progress = look(jenkins, run)
    assert progress.outcome == outcome
    assert words in progress.problem


def test_a_result_that_is_not_known_is_unknown_and_none_is_waited_for(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.end(None)
    assert look(jenkins, run)[1].state == RunState.RUNNING
    there.end("BLESSED")
    _, progress = look(jenkins, run)
    assert (progress.state, progress.outcome) == (RunState.LOST, "")
    assert "BLESSED" in progress.problem


def test_the_time_limit_counts_in_the_queue_and_in_the_build(there: Jenkins, run: Run) -> None:
    run = dispatched(jenkins, replace(run, options={"job": JOB, "timeout": 600.0}))
    assert "The wait in the queue of Jenkins did not end within 600 s" in look(jenkins, later(run, 601))[1].problem
    there.begin()
    assert "Jenkins build 5 did not end within 600 s" in look(jenkins, later(run, 601))[1].problem


def test_a_build_of_another_revision_is_a_failure(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.end("SUCCESS", revisions=(OTHER_COMMIT,))
    _, progress = look(jenkins, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert "is at ffffffffff, not at the approved a1b2c3d4e5. What was approved is what runs" in progress.problem


def test_a_library_beside_the_approved_revision_does_no_harm(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.builds[5]["actions"].append({"lastBuiltRevision": {"SHA1": OTHER_COMMIT}})
    assert look(jenkins, run)[1].state == RunState.RUNNING
    assert there.count("POST /stop$") == 0
    there.end("SUCCESS")
    assert look(jenkins, run)[1].outcome == "succeeded"


def test_a_freestyle_build_of_another_revision_is_stopped_at_once(there: Jenkins, run: Run) -> None:
    run = running(there, run, _class="hudson.model.FreeStyleBuild")
    there.builds[5]["actions"].append({"lastBuiltRevision": {"SHA1": OTHER_COMMIT}})
    run, progress = look(jenkins, run)
    assert "told to stop" in progress.text
    assert there.builds[5]["result"] == "ABORTED"
    assert look(jenkins, run)[1].outcome == "failed"


@pytest.mark.parametrize("fault", ["drop", "text"])
@pytest.mark.parametrize("has_begun", [False, True])
def test_an_answer_that_was_lost_is_found_by_its_key_and_nothing_starts_twice(
    there: Jenkins, run: Run, fault: str, has_begun: bool
) -> None:
    there.add({"PORTAL_KEY": "the key of another run"})
    there.faults[START] = fault
    run = dispatched(jenkins, run)
    assert "item" not in run.external
    if has_begun:
        there.begin(102)
    run, progress = look(jenkins, run)
    assert progress.state == RunState.RUNNING
    assert (run.external.get("item"), run.external.get("build")) == (102, 5 if has_begun else None)
    assert there.count(START) == 1


def test_an_answer_that_names_no_item_is_looked_for(there: Jenkins, run: Run) -> None:
    there.location = ""
    run = dispatched(jenkins, run)
    assert look(jenkins, run)[0].external["item"] == 101


def test_a_request_that_never_arrived_is_looked_for_a_minute_and_then_unknown(there: Jenkins, run: Run) -> None:
    there.faults[START] = "cut"
    run = dispatched(jenkins, run)
    assert look(jenkins, run)[1].state == RunState.RUNNING
    _, progress = look(jenkins, later(run, 61))
    assert progress.state == RunState.LOST
    assert f"PORTAL_KEY = {KEY}" in progress.problem
    assert there.count(START) == 1


def test_a_crumb_is_fetched_when_jenkins_asks_for_one(there: Jenkins, run: Run) -> None:
    there.needs_crumb = True
    run = running(there, run)
    assert there.count(START) == 2
    assert len(there.items) == 1
    assert jenkins.cancel(run) is True
    assert there.builds[5]["result"] == "ABORTED"


@pytest.mark.parametrize("missing", ["PORTAL_KEY", "PORTAL_COMMIT", "REGION"])
def test_a_parameter_that_jenkins_would_drop_is_a_refusal(there: Jenkins, run: Run, missing: str) -> None:
    there.declared.remove(missing)
    with pytest.raises(Refused, match=f"does not declare the parameters {missing}"):
        jenkins.dispatch(replace(run, options={"job": JOB, "parameters": {"REGION": "eu"}}))
    assert there.items == {}


def test_a_disabled_job_is_a_refusal(there: Jenkins, run: Run) -> None:
    there.buildable = False
    with pytest.raises(Refused, match="is disabled"):
        jenkins.dispatch(run)


@pytest.mark.parametrize("job", ["..", "a/../b", "a//b", "", "."])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_asked(there: Jenkins, run: Run, job: str) -> None:
    with pytest.raises(Refused, match="names nothing"):
        jenkins.dispatch(replace(run, options={"job": job}))
    assert there.asked == []


@pytest.mark.parametrize(
    ("rule", "fault", "kind"),
    [
        ("GET /deploy/api/json$", 401, Refused),
        ("GET /deploy/api/json$", 404, Refused),
        ("GET /deploy/api/json$", 503, NotSent),
        ("GET /deploy/api/json$", "text", NotSent),
        (START, 302, Refused),
        (START, 401, Refused),
        (START, 403, Refused),
        (START, 404, Refused),
        (START, 429, NotSent),
        (START, 500, InDoubt),
        (START, "drop", InDoubt),
    ],
)
def test_what_an_answer_lets_conclude_about_the_start(
    there: Jenkins, run: Run, rule: str, fault: Any, kind: type[Exception]
) -> None:
    there.faults[rule] = fault
    with pytest.raises(kind) as raised:
        jenkins.dispatch(run)
    assert TOKEN not in str(raised.value)
    assert type(raised.value) is kind


def test_a_jenkins_that_cannot_be_reached_got_nothing(run: Run) -> None:
    away = Outside("corp", "jenkins", "http://127.0.0.1:9", CREDENTIALS, SETTINGS)
    with pytest.raises(NotSent, match="cannot be reached"):
        jenkins.dispatch(replace(run, outside=away))


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        *((where, fault) for where in ("GET /5/api/json$", "GET /queue/item/") for fault in TROUBLE),
        *(("GET /wfapi/describe$", fault) for fault in TROUBLE if fault not in {500, "text"}),  # of the plugin alone
    ],
)
def test_trouble_while_following_says_nothing_about_the_run(there: Jenkins, run: Run, where: str, fault: Any) -> None:
    run = dispatched(jenkins, run)
    there.begin()
    there.stages = []
    there.faults[where] = fault
    with pytest.raises(Unavailable) as raised:
        look(jenkins, run)
    assert not isinstance(raised.value, Refused)
    assert TOKEN not in str(raised.value)


def test_a_build_that_is_not_shown_yet_is_waited_for_and_one_that_is_gone_is_unknown(there: Jenkins, run: Run) -> None:
    run = dispatched(jenkins, run)
    there.begin()
    there.builds.clear()
    run, progress = look(jenkins, run)
    assert progress.state == RunState.RUNNING
    assert look(jenkins, run)[1].state == RunState.LOST


@pytest.mark.parametrize("other", [{"number": 6}, {"actions": []}])
def test_the_state_of_another_build_changes_nothing(there: Jenkins, run: Run, other: dict[str, Any]) -> None:
    run = running(there, run)
    there.end("SUCCESS")
    there.builds[5].update(other)
    with pytest.raises(Unavailable, match="another run"):
        look(jenkins, run)


def test_an_item_with_another_key_is_not_ours(there: Jenkins, run: Run) -> None:
    run = dispatched(jenkins, run)
    there.items[101]["actions"][0]["parameters"][0]["value"] = "the key of another run"
    with pytest.raises(Unavailable, match="another run"):
        look(jenkins, run)
    with pytest.raises(Unavailable, match="another run"):
        jenkins.cancel(run)
    assert there.count("POST /cancelItem$") == 0


def test_cancelling_takes_it_out_of_the_queue(there: Jenkins, run: Run) -> None:
    assert jenkins.cancel(run) is False
    run = dispatched(jenkins, run)
    assert jenkins.cancel(run) is True
    assert jenkins.cancel(run) is True
    assert there.count("POST /cancelItem$") == 1
    _, progress = look(jenkins, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")


def test_cancelling_stops_the_build_once(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    assert jenkins.cancel(run) is True
    assert jenkins.cancel(run) is True
    assert there.count("POST /stop$") == 1
    assert look(jenkins, run)[1].outcome == "cancelled"


def test_a_refused_cancelling_does_not_end_the_run(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.faults["POST /stop$"] = 403
    with pytest.raises(Unavailable) as raised:
        jenkins.cancel(run)
    assert not isinstance(raised.value, Refused)


def test_the_log_comes_in_windows_and_is_bounded(there: Jenkins, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(there, run)
    there.log = b"one\ntwo\n"
    assert jenkins.read_log(run, "console", 0, 100) == b"one\ntwo\n"
    assert jenkins.read_log(run, "console", 4, 3) == b"two"
    assert jenkins.read_log(run, "stage-6", 0, 100) == b""
    assert there.count("GET /progressiveText$") == 1
    for module in ("jenkins", "remote"):
        monkeypatch.setattr(f"apps.deployments.dispatchers.{module}.LOG_MOST", 1000)
    there.log = b"x" * 2_000_000
    log = jenkins.read_log(replace(run, memory={}), "console", 0, 10_000_000)
    assert len(log) < 1200
    assert log.endswith(b"The rest is to be read in the system that ran this.]\n")


def test_hostile_names_and_times_become_plain_and_hostile_links_none(there: Jenkins, run: Run) -> None:
    run = running(there, run)
    there.builds[5].update(url="javascript:alert(1)", timestamp=10**30)
    there.stages = [stage("6\x00", "\x1b[2J<script>" + "x" * 5000, "IN_PROGRESS")]
    console, first = look(jenkins, run)[1].steps
    assert (console.link, console.began) == ("", None)
    assert (first.key, first.name[:12], len(first.name)) == ("stage-6", "[2J<script>x", 80)


def test_the_test_of_a_connection_says_who_it_is(there: Jenkins) -> None:
    assert USER in try_jenkins(Outside("corp", "jenkins", there.url, CREDENTIALS, SETTINGS))
    with pytest.raises(Unavailable, match="does not accept the credentials"):
        try_jenkins(Outside("corp", "jenkins", there.url, {"token": "wrong"}, SETTINGS))


@pytest.fixture
def delivery(tmp_path: Path, there: Jenkins) -> Delivery:
    deploy = f"via: jenkins, connection: corp, job: {JOB}, parameters: {{REGION: eu}}"
    return delivery_via(tmp_path, deploy, kind="jenkins", url=there.url, values={"token": TOKEN, "user": USER})


def merged_and_running(delivery: Delivery) -> Deployment:
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    return row


@pytest.mark.django_db
def test_a_merged_change_runs_as_a_build_and_its_log_hides_the_token(delivery: Delivery, there: Jenkins) -> None:
    row = merged_and_running(delivery)
    there.begin()
    there.stages = [stage("6", "Apply", "IN_PROGRESS")]
    there.log = f"one\nthe token is {TOKEN}\n\x1b[31m<script>\n".encode()
    step_engine()
    there.stages = [stage("6", "Apply", "SUCCESS")]
    there.log += b"z" * 1_000_000
    there.end("SUCCESS", revisions=(row.commit,))
    row = until(row, "succeeded")
    assert there.count(START) == 1
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("console", "succeeded"),
        ("Apply", "succeeded"),
    ]
    log = "\n".join(event.text for event in queries.events(row) if event.kind == "log")
    assert log.startswith("one\nthe token is •••• masked\n")
    assert TOKEN not in log
    assert "more characters are not shown" in log


@pytest.mark.django_db
def test_a_lost_answer_ends_in_one_build_that_can_be_cancelled(delivery: Delivery, there: Jenkins) -> None:
    there.faults[START] = "drop"
    row = merged_and_running(delivery)
    there.begin()
    for _ in range(3):
        step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"
    assert len(there.items) == 1
