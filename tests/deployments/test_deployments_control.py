"""Holding, cancelling, repeating and deciding; secrets; what happens when a worker dies between two statements."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import queries, services
from apps.deployments.dispatchers.local import LocalDispatcher, run_dir
from apps.deployments.jobs import following, recording, tidying
from apps.deployments.jobs.runs import run_of
from apps.deployments.models import Attempt, Deployment, Environment, Step
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.steps import supervisor_of

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for kill -9: nothing below catches it."""


@pytest.fixture
def start(tmp_path: Path, settings: Any) -> Any:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3
    settings.PORTAL_LEASE_SECONDS = 1

    def start_with(staging: str = "true", *, yaml: str = "", **options: Any) -> Delivery:
        return Delivery.start(tmp_path, yaml or pipeline(staging, **options))

    return start_with


def under_way(delivery: Delivery, name: str = "one") -> Deployment:
    """A deployment whose step has begun."""
    row = delivery.deployment(delivery.merged(name))
    until = time.monotonic() + 10
    while time.monotonic() < until:
        run_jobs("deployments.start", "deployments.follow")
        if Step.objects.filter(attempt__deployment=row, status="running").exists():
            row.refresh_from_db()
            return row
        time.sleep(0.02)
    raise AssertionError("the step did not begin")


def texts(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row)]


def test_a_running_deployment_is_cancelled_and_says_what_was_applied(start: Any) -> None:
    yaml = pipeline().replace(
        "[{name: apply, run: 'cat app/values.yaml'", "[{name: first, run: 'true'}, {name: apply, run: 'sleep 60'"
    )
    delivery = start(yaml=yaml)
    row = delivery.deployment(delivery.merged())
    while not Step.objects.filter(attempt__deployment=row, name="apply", status="running").exists():
        run_jobs("deployments.start", "deployments.follow")
    services.cancel(delivery.people.alice, deployment=row)
    with pytest.raises(Conflict):
        services.cancel(delivery.people.alice, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "cancelled"
    assert texts(row)[-1] == "Alice cancelled it. Already applied: first. Stopped in the middle: apply."
    assert [step.status for step in queries.steps_of(row)] == ["succeeded", "cancelled"]


def test_a_pending_deployment_is_cancelled_at_once(start: Any) -> None:
    delivery = start()
    row = delivery.deployment(delivery.merged(), "production")
    services.cancel(delivery.people.alice, deployment=row)
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("cancelled", 0)


def test_a_failed_deployment_names_the_step_and_is_retried_from_there(start: Any, tmp_path: Path) -> None:
    flag = tmp_path / "repaired"
    yaml = pipeline().replace(
        "[{name: apply, run: 'cat app/values.yaml'",
        f"[{{name: first, run: 'echo first'}}, {{name: apply, run: 'test -e {flag} || exit 7'",
    )
    delivery = start(yaml=yaml)
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change)
    assert (row.status, row.problem) == ("failed", "Step apply exited with 7.")
    flag.touch()
    services.retry(delivery.people.alice, deployment=row, from_step=1)
    run_until_idle()
    row.refresh_from_db()
    change.refresh_from_db()
    assert (row.status, row.attempts, change.status) == ("succeeded", 2, "done")
    assert [step.status for step in queries.steps_of(row)] == ["skipped", "succeeded"]
    assert [line.strip() for line in queries.log_text(row, step="first")] == ["first"]


def test_only_one_deployment_holds_an_environment_and_the_queue_is_first_in_first_out(start: Any) -> None:
    delivery = start("sleep 60")
    holder = under_way(delivery)
    second = delivery.deployment(delivery.merged("two", {"b.txt": "b"}))
    third = delivery.deployment(delivery.merged("three", {"c.txt": "c"}))
    run_jobs("deployments.start")
    second.refresh_from_db()
    third.refresh_from_db()
    assert second.waits == [{"code": "lock", "text": f"Queued behind {holder.label} (running), position 1."}]
    assert third.waits == [{"code": "lock", "text": f"Queued behind {holder.label} (running), position 2."}]
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.filter(pk=second.pk).update(status="dispatching")
    services.cancel(delivery.people.alice, deployment=holder)
    while not Deployment.objects.filter(pk=holder.pk, status="cancelled").exists():
        run_jobs("deployments.follow")
    assert [Deployment.objects.get(pk=row.pk).status for row in (second, third)] == ["pending", "pending"]
    run_jobs("deployments.start")
    assert [Deployment.objects.get(pk=row.pk).status for row in (second, third)] == ["dispatching", "pending"]
    services.cancel(delivery.people.alice, deployment=second)
    run_jobs("deployments.follow")


def test_a_second_request_for_a_pending_one_gets_its_number(start: Any) -> None:
    delivery = start()
    change = delivery.merged()
    with pytest.raises(Conflict) as refusal:
        services.start_deployment(delivery.people.alice, change=change, environment="production")
    assert refusal.value.code == "already_pending"
    assert refusal.value.details["deployment"] == delivery.deployment(change, "production").number
    with pytest.raises(InvalidInput):
        services.start_deployment(delivery.people.alice, change=change, environment="nowhere")


def test_a_manual_start_waits_for_the_button(start: Any) -> None:
    delivery = start(yaml=pipeline().replace("{via: local, steps: [{name: apply, run: 'echo", "{start: manual, via: local, steps: [{name: apply, run: 'echo"))  # fmt: skip
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change, "production")
    assert [wait["code"] for wait in row.waits] == ["manual"]
    with pytest.raises(NotAllowed):
        services.release(delivery.people.bob, deployment=row)
    services.release(delivery.people.alice, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_a_failed_earlier_environment_holds_the_later_one_with_the_reason(start: Any) -> None:
    delivery = start("exit 1")
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change, "production")
    failed = delivery.deployment(change)
    assert row.waits == [{"code": "promotion", "text": f"staging must come first; {failed.label} there is failed."}]


def test_a_deploy_rule_holds_a_protected_environment_until_its_approval(start: Any) -> None:
    from apps.reviews.services import submit_review

    rule = "  - {name: release gate, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [user/kim]}}\n"
    delivery = start(rules=rule)
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change, "production")
    assert [wait["code"] for wait in row.waits] == ["gate"]
    change.refresh_from_db()
    submit_review(
        delivery.people.kim,
        change=change,
        revision=change.revision.number,
        verdict="approve",
        stage="deploy",
        environment="production",
    )
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_an_environment_without_pipeline_succeeds_and_says_so(start: Any) -> None:
    delivery = start(yaml="apiVersion: portal/v1\nenvironments: {only: {}}\n")
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change, "only")
    assert (row.status, Environment.objects.get().live_commit) == ("succeeded", change.merge_commit)
    assert "defines no pipeline for only" in texts(row)[-1]


def test_an_older_commit_never_replaces_a_newer_one_that_contains_it(start: Any) -> None:
    delivery = start("cat b.txt 2>/dev/null || exit 1")
    older = delivery.merged("one", {"a.txt": "a"})
    run_until_idle()
    newer = delivery.merged("two", {"b.txt": "b"})
    run_until_idle()
    services.retry(delivery.people.alice, deployment=delivery.deployment(older))
    run_until_idle()
    row = delivery.deployment(older)
    assert row.status == "succeeded"
    assert "already runs" in texts(row)[-1]
    assert Environment.objects.get(name="staging").live_commit == newer.merge_commit


def test_secrets_reach_the_step_and_never_the_log(start: Any) -> None:
    delivery = start('echo "token is $TOKEN"; printf %s "$TOKEN" | base64')
    environment = Environment.objects.create(repository=delivery.repository, name="staging")
    with pytest.raises(NotAllowed):
        services.set_secret(delivery.people.alice, environment=environment, name="TOKEN", value="hunter2-hunter2")
    for name, value in (("PATH", "x" * 9), ("9A", "x" * 9), ("TOKEN", "short")):
        with pytest.raises(InvalidInput):
            services.set_secret(delivery.people.carol, environment=environment, name=name, value=value)
    services.set_secret(delivery.people.carol, environment=environment, name="TOKEN", value="hunter2-hunter2")
    assert queries.secret_names(environment) == ["TOKEN"]
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    assert "".join(queries.log_text(row)).splitlines() == ["token is •••• masked", "•••• masked"]
    assert not Attempt.objects.exclude(sealed_secrets="").exists()


def test_secrets_for_plans_reach_no_step_and_have_the_same_names(start: Any) -> None:
    delivery = start('echo "token is $TOKEN, reader is $READER"')
    environment = Environment.objects.create(repository=delivery.repository, name="staging")
    carol = delivery.people.carol
    for name, value, used_for in (
        ("TOKEN", "may-write-all", "deploy"), ("TOKEN", "may-read-only", "plan"), ("READER", "reads-only-this", "plan"),
    ):  # fmt: skip
        services.set_secret(carol, environment=environment, name=name, value=value, used_for=used_for)
    with pytest.raises(InvalidInput, match="to deploy, or to plan"):
        services.set_secret(carol, environment=environment, name="TOKEN", value="may-write-all", used_for="both")
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    assert "".join(queries.log_text(row)).splitlines() == ["token is •••• masked, reader is "]
    services.remove_secret(carol, environment=environment, name="TOKEN", used_for="plan")
    with pytest.raises(InvalidInput, match="has no secret TOKEN \\(for plans\\)"):
        services.remove_secret(carol, environment=environment, name="TOKEN", used_for="plan")
    assert queries.secret_names(environment) == ["READER", "TOKEN"]
    entry = AuditEntry.objects.filter(action="environment.updated").latest("seq")
    assert (entry.target, entry.data["used_for"]) == ("TOKEN", "plan")


def test_long_output_is_taken_over_whole_and_in_order(start: Any) -> None:
    delivery = start("seq 1 100000")
    row = delivery.deployment(delivery.merged())
    run_until_idle(60)
    text = "".join(queries.log_text(row)).splitlines()
    assert text == [str(number) for number in range(1, 100_001)]
    logs = [event for event in queries.events(row, limit=10_000) if event.kind == "log"]
    assert max(event.data["lines"] for event in logs) <= 500
    assert [event.first_line for event in logs[:2]] == [1, 501]


POINTS: list[tuple[Any, str]] = [
    (LocalDispatcher, "prepare"),
    (following, "_go_on"),
    (LocalDispatcher, "dispatch"),
    (recording.Recorder, "_note_begin"),
    (recording.Recorder, "_store"),
    (recording.Recorder, "_note_end"),
    (following, "end"),
    (following, "tidy"),
]


def dying(real: Any, deaths: list[str]) -> Any:
    """``real``, but the process dies before its first call and after its second."""
    calls: list[int] = []

    def die(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            deaths.append(real.__name__)
            raise Killed
        answer = real(*args, **options)
        if len(calls) == 2:
            deaths.append(real.__name__)
            raise Killed
        return answer

    return die


def test_a_worker_that_dies_before_and_after_every_statement_repeats_nothing(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    delivery = start(f"echo $PORTAL_ENVIRONMENT | tee -a {witness}", production=f"echo production | tee -a {witness}")
    change = delivery.merged()
    deaths: list[str] = []
    for owner, name in POINTS:
        monkeypatch.setattr(owner, name, dying(getattr(owner, name), deaths))
    monkeypatch.setattr(type(Deployment.objects.all()), "release", lambda *_, **__: False)
    while True:
        try:
            run_until_idle()
            break
        except Killed:
            Deployment.objects.update(lease_until=None)  # the lease of the dead runs out
    assert set(deaths) == {name for _, name in POINTS}
    assert witness.read_text() == "staging\nproduction\n"
    row = delivery.deployment(change)
    assert row.status == "succeeded"
    assert "".join(queries.log_text(row)) == "staging\n"
    assert [event.seq for event in queries.events(row)] == list(range(1, row.last_event + 1))
    run_jobs("deployments.tidy_workspaces")
    assert not Attempt.objects.filter(has_workspace=True).exists()


def test_a_lost_run_is_unknown_holds_the_lock_and_is_decided_by_a_person(start: Any, settings: Any) -> None:
    import os
    import signal

    delivery = start("echo began; sleep 60")
    row = under_way(delivery)
    while not "".join(queries.log_text(row)).strip():
        run_jobs("deployments.follow")
    os.kill(supervisor_of(run_of(row, row.attempt_rows.last(), with_secrets=False)), signal.SIGKILL)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "unknown"
    other = delivery.deployment(delivery.merged("two", {"b.txt": "b"}))
    run_jobs("deployments.start")
    other.refresh_from_db()
    assert "a deployer decides that first" in other.waits[0]["text"]
    with pytest.raises(NotAllowed):
        services.resolve(delivery.people.alice, deployment=row, outcome="failed", reason="looked")
    with pytest.raises(InvalidInput):
        services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason=" ")
    services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason="half of it is there")
    row.refresh_from_db()
    assert (row.status, row.problem) == ("failed", "half of it is there")
    attempt = Attempt.objects.get(deployment=row)
    assert tidying.attempts_due(10) == [attempt.pk]
    tidying.tidy(attempt.pk)
    run = run_of(row, attempt, with_secrets=False)
    assert not (run_dir(run) / "tree").exists()
    services.cancel(delivery.people.alice, deployment=other)


def test_a_pipeline_of_an_unknown_kind_fails_with_a_sentence(start: Any) -> None:
    delivery = start()
    row = delivery.deployment(delivery.merged())
    Deployment.objects.filter(pk=row.pk).update(plan={"via": "carrier-pigeon", "steps": [], "raw": {}})
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    assert "'carrier-pigeon'" in row.problem
