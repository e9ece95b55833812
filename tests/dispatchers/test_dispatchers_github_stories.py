"""Whole deployments through GitHub Actions: merged, started once, followed and cancelled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.deployments import queries, services
from apps.deployments.jobs import following
from apps.deployments.models import Attempt, Deployment
from apps.deployments.queries.repeating import can_repeat_failed
from apps.deployments.transitions import attempt_key
from apps.presentation.deployment_page import actions_of
from tests.support.delivery import Delivery
from tests.support.outside import delivery_via, step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import REPOSITORY, TOKEN, GitHub

pytestmark = pytest.mark.django_db
START, AGAIN = "POST /dispatches$", "POST /rerun-failed-jobs$"


@pytest.fixture
def there() -> Iterator[GitHub]:
    with serving(GitHub()) as stub:
        yield stub


@pytest.fixture
def delivery(tmp_path: Path, there: GitHub) -> Delivery:
    deploy = f"via: github, connection: corp, repository: {REPOSITORY}, workflow: deploy.yml, environment: production"
    return delivery_via(tmp_path, deploy, kind="github", url=there.url, values={"token": TOKEN})


def merged_and_running(delivery: Delivery, there: GitHub) -> Deployment:
    row = delivery.deployment(delivery.merged())
    there.head = row.commit
    row = until(row, "running")
    step_engine()
    return row


def test_a_merged_change_runs_as_a_workflow_and_its_log_hides_the_token(delivery: Delivery, there: GitHub) -> None:
    row = merged_and_running(delivery, there)
    there.job(7, "deploy", "completed", "success")
    there.logs[7] = f"one\nthe token is {TOKEN}\n\x1b[31m<script>\n".encode() + b"z" * 1_000_000
    there.end("success")
    row = until(row, "succeeded")
    assert there.count(START) == 1
    log = "\n".join(event.text for event in queries.events(row) if event.kind == "log")
    assert "the token is •••• masked" in log
    assert TOKEN not in log
    assert [status["state"] for status in there.statuses] == ["queued", "success"]


def test_a_lost_answer_ends_in_one_run_that_can_be_cancelled(delivery: Delivery, there: GitHub) -> None:
    there.faults[START] = "drop"
    row = merged_and_running(delivery, there)
    for _ in range(3):
        step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"
    assert len(there.runs) == 1
    assert there.statuses[-1]["state"] == "error"


def failed(delivery: Delivery, there: GitHub) -> Deployment:
    row = merged_and_running(delivery, there)
    there.end("failure")
    return until(row, "failed")


def test_only_what_failed_is_done_again_in_the_same_run_as_a_new_attempt(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    assert actions_of(delivery.people.alice, row).retry_only_failed
    assert not actions_of(delivery.people.dave, row).retry_only_failed
    services.retry(delivery.people.alice, deployment=row, only_failed=True)
    row = until(row, "running")
    for _ in range(3):
        step_engine()
    there.end("success")
    row = until(row, "succeeded")
    assert (there.count(START), there.count(AGAIN), len(there.runs)) == (1, 1, 1)
    first, second = Attempt.objects.filter(deployment=row)
    assert (first.only_failed, second.only_failed, first.key != second.key) == (False, True, True)
    assert first.external_run["run"] == second.external_run["run"]
    assert "Alice asked for a new attempt of what failed." in [event.text for event in queries.events(row)]
    assert [status["state"] for status in there.statuses] == ["queued", "failure", "queued", "success"]


def test_only_what_failed_is_done_again_also_where_the_git_host_was_silent_before(
    delivery: Delivery, there: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = failed(delivery, there)
    services.retry(delivery.people.alice, deployment=row, only_failed=True)

    def silent(*_: object) -> None:
        raise Unavailable("git_unreachable", "The Git host does not answer.")

    with monkeypatch.context() as away:
        away.setattr(following, "claim_run", silent)
        step_engine()
        step_engine()
    assert Attempt.objects.get(deployment=row, number=2).external_run["silent_since"]
    until(row, "running")
    step_engine()
    there.end("success")
    assert until(row, "succeeded").attempts == 2
    assert (there.count(START), there.count(AGAIN), len(there.runs)) == (1, 1, 1)


def test_a_repeat_has_another_key_than_a_whole_run_also_in_a_restored_copy(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    whole = attempt_key(row)
    assert attempt_key(row) == whole
    row.retry_only_failed = True
    assert attempt_key(row) != whole


def test_page_and_api_offer_a_repeat_while_there_is_something_to_repeat(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    client = Client()
    client.force_login(delivery.people.alice)
    page, api = f"/deployments/{row.number}/", f"/api/v1/deployments/{row.number}/"
    assert "Retry only what failed" in client.get(page).content.decode()
    before = client.get(f"{page}retry/?only_failed=1").content.decode()
    assert "What succeeded there is not done again." in before
    assert 'name="only_failed" value="1"' in before
    assert "everything that github does" in client.get(f"{page}retry/").content.decode()
    assert client.get(api).json()["can_retry_only_failed"] is True
    asked = client.post(f"{api}retry/", json.dumps({"only_failed": True}), content_type="application/json")
    assert (asked.status_code, asked.json()["can_retry_only_failed"]) == (202, False)
    row.refresh_from_db()
    assert (row.status, row.retry_only_failed) == ("pending", True)
    assert "Retry only what failed" not in client.get(page).content.decode()
    until(row, "running")
    step_engine()
    there.end("failure")
    until(row, "failed")
    assert client.post(f"{page}retry/", {"only_failed": "1"}).status_code == 303
    until(row, "running")
    assert [found.only_failed for found in Attempt.objects.filter(deployment=row)] == [False, True, True]


def test_a_repeat_whose_answer_was_lost_is_asked_for_once(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    there.faults[AGAIN] = "drop"
    services.retry(delivery.people.alice, deployment=row, only_failed=True)
    row = until(row, "running")
    for _ in range(3):
        step_engine()
    there.end("success")
    assert until(row, "succeeded").attempts == 2
    assert (there.count(AGAIN), there.runs[0]["run_attempt"]) == (1, 2)


def test_a_repeat_that_is_refused_has_failed_and_a_whole_run_can_follow(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    services.retry(delivery.people.alice, deployment=row, only_failed=True)
    there.runs[0]["run_attempt"] = 2  # somebody pressed the button in GitHub
    row = until(row, "failed")
    assert "was repeated by somebody else (try 2)" in row.problem
    services.retry(delivery.people.alice, deployment=row)
    row = until(row, "running")
    step_engine()
    there.end("success", 1)
    assert until(row, "succeeded").attempts == 3
    assert (there.count(START), there.count(AGAIN)) == (2, 0)


def test_what_succeeded_is_not_relied_on_after_something_else_ran_there(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    second = delivery.deployment(delivery.merged("two", {"b.txt": "b"}))
    there.head = second.commit
    until(second, "running")
    step_engine()
    there.end("failure", 1)
    until(second, "failed")
    assert (can_repeat_failed(row), can_repeat_failed(second)) == (False, True)
    with pytest.raises(Conflict, match="something else ran in staging since") as refusal:
        services.retry(delivery.people.alice, deployment=row, only_failed=True)
    assert refusal.value.code == "nothing_to_repeat"
    with pytest.raises(InvalidInput, match="choose one of the two"):
        services.retry(delivery.people.alice, deployment=second, from_step=0, only_failed=True)


def test_what_runs_between_asking_and_starting_counts_too(delivery: Delivery, there: GitHub) -> None:
    row = failed(delivery, there)
    second = delivery.deployment(delivery.merged("two", {"b.txt": "b"}))
    services.retry(delivery.people.alice, deployment=row, only_failed=True)
    Deployment.objects.filter(pk=row.pk).update(manual_start=True)
    there.head = second.commit
    until(second, "running")
    step_engine()
    there.end("failure", 1)
    until(second, "failed")
    Deployment.objects.filter(pk=row.pk).update(manual_start=False)
    assert "or something else ran in staging since. Retry it as a whole." in until(row, "failed").problem
    assert there.count(AGAIN) == 0


def test_how_often_github_was_silent_is_no_try_that_can_be_done_again(delivery: Delivery, there: GitHub) -> None:
    row = merged_and_running(delivery, there)
    there.faults["GET "] = 503
    step_engine()
    known = Attempt.objects.get(deployment=row).external_run
    assert known["silences"]
    assert not known.get("tries")
