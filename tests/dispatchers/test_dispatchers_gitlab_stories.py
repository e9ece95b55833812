"""Whole deployments through GitLab: merged, started once, followed, and what is left when a worker dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import queries, services
from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.gitlab import GitLabDispatcher
from apps.deployments.models import Attempt, Deployment
from apps.vcs import history
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_gitlab import PROJECT, TOKEN, TRIGGER, GitLab

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for kill -9: nothing below catches it."""


@pytest.fixture
def there() -> Iterator[GitLab]:
    with serving(GitLab()) as stub:
        yield stub


@pytest.fixture
def delivery(tmp_path: Path, there: GitLab) -> Delivery:
    deploy = f"via: gitlab, connection: corp, project: {PROJECT}, timeout: 10m"
    values = {"token": TOKEN, "trigger_token": TRIGGER}
    return delivery_via(tmp_path, deploy, kind="gitlab", url=there.url, values=values)


def merged_and_running(delivery: Delivery, there: GitLab) -> Deployment:
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    return row


def test_a_merged_change_runs_as_a_pipeline_and_its_log_hides_the_credentials(
    delivery: Delivery, there: GitLab
) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "apply", "running")
    there.traces[7] = f"one\nthe token is {TOKEN} and {TRIGGER}\n\x1b[31m<script>\n".encode() + b"z" * 1_000_000
    there.pipelines[0]["status"] = "running"
    step_engine()
    there.jobs[0]["status"] = "success"
    there.pipelines[0]["status"] = "success"
    row = until(row, "succeeded")
    assert there.count("POST /trigger/pipeline$") == 1
    [step] = queries.steps_of(row)
    assert (step.name, step.status) == ("deploy / apply", "succeeded")
    log = "\n".join(event.text for event in queries.events(row) if event.kind == "log")
    assert "the token is •••• masked and •••• masked" in log
    assert TOKEN not in log
    assert "more characters are not shown" in log


def test_a_person_plays_a_job_through_the_portal_and_then_cancels(delivery: Delivery, there: GitLab) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "apply", "manual")
    there.pipelines[0]["status"] = "manual"
    step_engine()
    services.act_on_step(delivery.people.alice, deployment=row, step=0, action="play")
    step_engine()
    assert there.jobs[0]["status"] == "pending"
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"


def test_each_try_of_a_job_stays_as_it_ended_with_its_log(delivery: Delivery, there: GitLab) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "apply", "running")
    there.traces[7] = b"2026-11-28T12:00:00.123456Z 01O one\n"
    there.pipelines[0]["status"] = "running"
    step_engine()
    there.jobs[0].update(status="failed", failure_reason="script_failure")
    there.traces[7] += b"2026-11-28T12:00:01.123456Z 01E ERROR: boom\n"
    there.job(8, "apply", "running")
    step_engine()
    there.jobs[1]["status"] = there.pipelines[0]["status"] = "success"
    row = until(row, "succeeded")
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("deploy / apply", "failed"),
        ("deploy / apply (2)", "succeeded"),
    ]
    log = [line for event in queries.events(row) if event.kind == "log" for line in event.text.splitlines()]
    assert log == ["one", "ERROR: boom"]


def test_a_step_that_is_not_shown_any_more_offers_nothing(delivery: Delivery, there: GitLab) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "apply", "manual")
    there.pipelines[0]["status"] = "manual"
    step_engine()
    assert [step.offers for step in queries.steps_of(row)] == [["play"]]
    shown, there.jobs = there.jobs, []
    step_engine()
    assert [step.offers for step in queries.steps_of(row)] == [["play"]], "a look that shows nothing says nothing"
    there.job(8, "check", "manual")
    step_engine()
    assert [step.offers for step in queries.steps_of(row)] == [[], ["play"]]
    there.jobs = [*shown, *there.jobs]
    step_engine()
    assert [step.offers for step in queries.steps_of(row)] == [["play"], ["play"]]


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_wish_whose_worker_died_is_told_as_one_that_may_not_have_arrived(
    delivery: Delivery, there: GitLab, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "apply", "manual")
    there.pipelines[0]["status"] = "manual"
    step_engine()
    services.act_on_step(delivery.people.alice, deployment=row, step=0, action="play")
    act = GitLabDispatcher.act

    def dying(*given: Any) -> None:
        if is_taken:
            act(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GitLabDispatcher, "act", dying)
        with pytest.raises(Killed):
            step_engine()
    assert there.count("POST /jobs/7/play$") == int(is_taken)
    step_engine()
    step_engine()
    said = [event.text for event in queries.events(row) if "play " in event.text and "waits" not in event.text]
    assert said == [
        "Alice asked to play the step deploy / apply.",
        "Step deploy / apply: play is being passed on.",
        "Step deploy / apply: play may not have arrived: the portal was interrupted there. Ask again.",
    ]
    assert there.count("POST /jobs/7/play$") == int(is_taken), "it is not passed on twice"


def test_a_lost_answer_ends_in_one_pipeline(delivery: Delivery, there: GitLab) -> None:
    there.faults["POST /trigger/pipeline$"] = "drop"
    row = merged_and_running(delivery, there)
    for _ in range(3):
        step_engine()
    there.pipelines[0]["status"] = "success"
    assert until(row, "succeeded").status == "succeeded"
    assert len(there.pipelines) == 1


def test_a_worker_that_dies_right_after_the_request_leaves_one_pipeline(
    delivery: Delivery, there: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    start = GitLabDispatcher.dispatch

    def start_and_die(self: GitLabDispatcher, run: Run) -> Any:
        start(self, run)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GitLabDispatcher, "dispatch", start_and_die)
        with pytest.raises(Killed):
            for _ in range(5):
                step_engine()
    assert len(there.pipelines) == 1
    Deployment.objects.update(lease_until=None)
    there.pipelines[0]["status"] = "success"
    assert until(row, "succeeded").status == "succeeded"
    assert len(there.pipelines) == 1


def test_a_pipeline_that_is_never_found_leaves_the_decision_to_a_person(delivery: Delivery, there: GitLab) -> None:
    there.faults["POST /trigger/pipeline$"] = "cut"
    row = merged_and_running(delivery, there)
    attempt = Attempt.objects.get(deployment=row)
    attempt.external_run["sent"] = "2020-01-01T00:00:00+00:00"
    attempt.save()
    assert "it shows no run with the key of this attempt" in until(row, "unknown").problem
    assert (there.pipelines, there.count("POST /trigger/pipeline$")) == ([], 1)


def test_a_commit_that_has_not_arrived_yet_is_waited_for(delivery: Delivery, there: GitLab) -> None:
    row = delivery.deployment(delivery.merged())
    there.head = history.read_commit(delivery.repository.mirror_path, row.commit).parents[0]
    row = until(row, "running")
    for _ in range(2):
        step_engine()
    assert there.pipelines == []
    assert any("has not arrived in GitLab yet" in event.text for event in queries.events(row))
    there.head = row.commit
    step_engine()
    there.pipelines[0]["status"] = "success"
    assert until(row, "succeeded").status == "succeeded"
