"""Deployments through a signed webhook: sent once whatever is lost, believed only when signed, about this run only."""

from __future__ import annotations

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import queries, services
from apps.deployments.dispatchers.webhook import WebhookDispatcher
from apps.deployments.models import Attempt, Deployment, Report
from tests.support.delivery import Delivery
from tests.support.outside import corp, step_engine, until
from tests.support.receiver import SECRET, Receiver, signature
from tests.support.reporting import key_of, report, running

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for kill -9: nothing below catches it."""


def texts(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row)]


def test_a_signed_request_goes_out_and_signed_reports_bring_steps_log_and_end(
    delivery: Delivery, there: Receiver
) -> None:
    row = running(delivery)
    step_engine()
    [asked] = there.started()
    assert asked["data"]["commit"] == row.commit
    assert asked["data"]["payload"] == {"size": 3}
    assert there.requests[0]["signed"]
    assert there.requests[0]["id"] == asked["data"]["key"] == key_of(row)
    assert asked["data"]["report_to"].endswith(f"/api/v1/deployments/{row.number}/reports/")
    report(row, status="running", steps=[{"name": "apply", "status": "running", "log": "one\n"}])
    step_engine()
    report(row, "m2", status="running", steps=[{"name": "apply", "status": "succeeded", "log": f"two {SECRET}\n"}])
    report(row, "m3", status="succeeded", text="All is well.")
    row = until(row, "succeeded")
    [step] = queries.steps_of(row)
    assert (step.name, step.status, step.lines) == ("apply", "succeeded", 2)
    log = "\n".join(event.text for event in queries.events(row) if event.kind == "log")
    assert log == "one\ntwo •••• masked"
    row.environment.refresh_from_db()
    assert row.environment.live_commit == row.commit


def test_what_the_other_system_says_of_the_whole_is_told_once_each_time_it_differs(delivery: Delivery) -> None:
    row = running(delivery)
    for message, text in (("m1", "Half of it."), ("m2", "Half of it."), ("m3", "All of it.")):
        report(row, message, status="running", text=text)
        step_engine()
        step_engine()
    assert [text for text in texts(row) if text.endswith("of it.")] == ["Half of it.", "All of it."]


def test_a_failure_that_is_reported_fails_the_deployment_with_its_words(delivery: Delivery) -> None:
    row = running(delivery)
    report(row, status="failed", text="The quota is used up.")
    assert until(row, "failed").problem == "The quota is used up."


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key_and_nothing_happens_twice(
    delivery: Delivery, there: Receiver
) -> None:
    there.behaviour = "drop"
    row = running(delivery)
    for _ in range(3):
        step_engine()
    there.behaviour = "accept"
    step_engine()
    assert len(there.requests) >= 2
    assert {one["id"] for one in there.requests} == {key_of(row)}
    assert len(there.started()) == 1
    assert any("cannot be reached" in text for text in texts(row))
    assert any("answers again" in text for text in texts(row))


def test_a_worker_that_dies_right_after_the_request_leaves_one_run(
    delivery: Delivery, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    send = WebhookDispatcher.dispatch

    def send_and_die(self: WebhookDispatcher, run: Any) -> Any:
        send(self, run)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(WebhookDispatcher, "dispatch", send_and_die)
        with pytest.raises(Killed):
            for _ in range(5):
                step_engine()
    assert Attempt.objects.get(deployment=row).external_run["sent"]
    Deployment.objects.update(lease_until=None)
    step_engine()
    assert len(there.started()) == 1
    report(row, status="succeeded")
    assert until(row, "succeeded").status == "succeeded"


def test_a_refusal_fails_at_once_with_the_words_of_the_other_system(delivery: Delivery, there: Receiver) -> None:
    there.behaviour = "400"
    row = until(delivery.deployment(delivery.merged()), "failed")
    assert "says the receiver" in row.problem
    assert len(there.requests) == 1


def test_a_refusal_after_a_request_of_unknown_fate_does_not_fail_it(delivery: Delivery, there: Receiver) -> None:
    there.behaviour = "drop"
    row = running(delivery)
    there.behaviour = "400"
    for _ in range(3):
        step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    report(row, status="succeeded")
    assert until(row, "succeeded").status == "succeeded"


def test_a_system_that_cannot_be_reached_is_asked_later_and_nothing_is_lost(
    delivery: Delivery, there: Receiver
) -> None:
    url = there.url
    corp_row = corp()
    type(corp_row).objects.update(url="http://127.0.0.1:9")
    row = running(delivery)
    for _ in range(3):
        step_engine()
    assert not Attempt.objects.get(deployment=row).external_run["sent"]
    type(corp_row).objects.update(url=url)
    step_engine()
    assert len(there.started()) == 1


def test_cancelling_what_was_never_sent_is_certain(delivery: Delivery, there: Receiver) -> None:
    type(corp()).objects.update(url="http://127.0.0.1:9")
    row = running(delivery)
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    assert until(row, "cancelled").status == "cancelled"
    assert there.requests == []


def test_cancelling_asks_the_other_system_and_its_report_ends_it(delivery: Delivery, there: Receiver) -> None:
    row = running(delivery)
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    step_engine()
    assert "deployment.cancelled" in [one["type"] for one in there.effects.values()]
    report(row, status="cancelled", steps=[{"name": "apply", "status": "succeeded"}])
    row = until(row, "cancelled")
    assert "Already applied: apply" in texts(row)[-1]


def test_a_cancel_that_is_refused_there_does_not_end_what_runs(delivery: Delivery, there: Receiver) -> None:
    row = running(delivery)
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    there.behaviour = "404"
    for _ in range(3):
        step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    there.behaviour = "accept"
    report(row, status="cancelled")
    assert until(row, "cancelled").status == "cancelled"


def test_words_of_the_other_system_about_a_failure_are_masked(delivery: Delivery) -> None:
    row = running(delivery)
    report(row, status="failed", text=f"no: {SECRET}", steps=[{"name": "a", "status": "failed", "text": SECRET}])
    row = until(row, "failed")
    assert SECRET not in row.problem
    assert SECRET not in str(texts(row))
    assert SECRET not in str([step.problem for step in queries.steps_of(row)])


def test_no_end_in_time_is_unknown_and_a_person_decides(delivery: Delivery, settings: Any) -> None:
    row = running(delivery)
    step_engine()
    attempt = Attempt.objects.get(deployment=row)
    attempt.external_run["sent"] = "2020-01-01T00:00:00+00:00"
    attempt.save()
    assert "did not report an end in time" in until(row, "unknown").problem


@pytest.mark.parametrize("forged", ["v1,AAAA", signature("m1", "1", b"{}"), "", "v1,"])
def test_a_forged_report_changes_nothing(delivery: Delivery, forged: str) -> None:
    row = running(delivery)
    with pytest.raises(NotAllowed):
        report(row, sign_with=forged or "none", status="succeeded")
    assert not Report.objects.exists()
    step_engine()
    row.refresh_from_db()
    assert row.status == "running"


def test_a_replayed_report_changes_nothing(delivery: Delivery) -> None:
    row = running(delivery)
    first = report(row, status="running", steps=[{"name": "apply", "status": "running", "log": "one\n"}])
    again = report(row, status="running", steps=[{"name": "apply", "status": "running", "log": "one\n"}])
    assert first.pk == again.pk
    step_engine()
    assert [event.text for event in queries.events(row) if event.kind == "log"] == ["one"]
    assert AuditEntry.objects.filter(action="deployment.reported").count() == 1


def test_a_report_about_another_attempt_is_refused(delivery: Delivery) -> None:
    row = running(delivery)
    old = key_of(row)
    report(row, status="failed", text="no")
    until(row, "failed")
    services.retry(delivery.people.alice, deployment=row)
    row = until(row, "running")
    with pytest.raises(Conflict, match="another attempt"):
        report(row, "m9", key=old, status="succeeded")


def test_a_report_after_the_end_is_refused(delivery: Delivery) -> None:
    row = running(delivery)
    report(row, status="succeeded")
    row = until(row, "succeeded")
    with pytest.raises(Conflict, match="succeeded already"):
        report(row, "m2", status="failed")


@pytest.mark.parametrize(
    "told",
    [
        {"status": "fine"},
        {"status": "running", "steps": "no"},
        {"status": "running", "steps": [{"name": "", "status": "running"}]},
        {"status": "running", "steps": [{"name": "a", "status": "done"}]},
        {"status": "running", "text": 3},
        {"status": "running", "steps": [{"name": "a", "status": "running", "log": ["x"]}]},
    ],
)
def test_a_malformed_report_says_what_is_wrong(delivery: Delivery, told: dict[str, Any]) -> None:
    row = running(delivery)
    with pytest.raises(InvalidInput, match=r"`|step"):
        report(row, **told)


def test_a_link_in_a_report_is_kept_only_when_it_leads_to_a_web_page(delivery: Delivery) -> None:
    row = running(delivery)
    steps = [
        {"name": "a", "status": "running", "url": "javascript:alert(1)"},
        {"name": "b", "status": "running", "url": "https://x.example/1"},
    ]
    report(row, status="running", steps=steps)
    step_engine()
    assert [step.link for step in queries.steps_of(row)] == ["", "https://x.example/1"]


def test_without_a_permission_the_deployment_waits_and_says_who_can_help(delivery: Delivery, there: Receiver) -> None:
    services.forbid_connection(delivery.people.erin, connection=corp(), repository=delivery.repository)
    row = delivery.deployment(delivery.merged())
    step_engine()
    row.refresh_from_db()
    assert row.status == "pending"
    assert [wait["code"] for wait in row.waits] == ["connection"]
    assert "administrator" in row.waits[0]["text"]
    services.allow_connection(
        delivery.people.erin, connection=corp(), repository=delivery.repository, environments=["staging"]
    )
    assert until(row, "running").status == "running"


def test_a_permission_for_another_environment_is_none(delivery: Delivery) -> None:
    services.allow_connection(
        delivery.people.erin, connection=corp(), repository=delivery.repository, environments=["production"]
    )
    row = delivery.deployment(delivery.merged())
    step_engine()
    row.refresh_from_db()
    assert row.status == "pending"


def test_a_connection_is_not_removed_under_a_run_and_afterwards_keeps_only_its_name(delivery: Delivery) -> None:
    row = running(delivery)
    with pytest.raises(Conflict, match="runs through corp"):
        services.remove_connection(delivery.people.erin, connection=corp())
    report(row, status="succeeded")
    until(row, "succeeded")
    services.remove_connection(delivery.people.erin, connection=corp())
    left = Attempt.objects.get(deployment=row).connection
    assert left is not None
    assert left.is_removed
    assert not left.sealed_credentials
    step_engine()
    assert AuditEntry.objects.filter(action="connection.removed").count() == 1


def test_a_step_is_only_asked_for_what_it_offers(delivery: Delivery) -> None:
    row = running(delivery)
    report(row, status="running", steps=[{"name": "apply", "status": "running"}])
    step_engine()
    with pytest.raises(Conflict, match="does not offer"):
        services.act_on_step(delivery.people.alice, deployment=row, step=0, action="play")
    with pytest.raises(InvalidInput, match="no step 7"):
        services.act_on_step(delivery.people.alice, deployment=row, step=7, action="play")


def test_a_message_id_of_another_report_is_refused_and_nothing_is_lost(delivery: Delivery) -> None:
    row = running(delivery)
    report(row, status="running")
    with pytest.raises(Conflict, match="id of its own"):
        report(row, status="succeeded")
    report(row, "m2", status="succeeded")
    assert until(row, "succeeded").status == "succeeded"


@pytest.mark.parametrize(
    "body",
    [
        b'{"key": "k", "status": "running", "text": "x\\ud800"}',
        b"[" * 200_000,
        b'{"key": "\\udfff", "status": "running"}',
        b'{"key": "k", "status": "running", "status": "succeeded"}',
        b'{"key": "k", "status": "running", "at": NaN}',
        '{"key": "k", "status": "running"}'.encode("utf-16"),
    ],
)
def test_a_body_that_no_database_keeps_or_that_can_be_read_otherwise_is_refused(
    delivery: Delivery, body: bytes
) -> None:
    row = running(delivery)
    stamp = str(int(now().timestamp()))
    headers = {"webhook-id": "m1", "webhook-timestamp": stamp, "webhook-signature": signature("m1", stamp, body)}
    with pytest.raises(InvalidInput):
        services.accept_report(number=row.number, headers=headers, body=body)
    assert not Report.objects.exists()


def test_names_and_links_that_repeat_a_secret_are_masked(delivery: Delivery) -> None:
    row = running(delivery)
    steps = [{"name": f"a {SECRET}", "status": "running", "url": f"https://x.example/{SECRET}"}]
    report(row, status="running", steps=steps)
    step_engine()
    [step] = queries.steps_of(row)
    assert SECRET not in step.name + step.link + str(texts(row))


def test_logs_of_a_run_have_a_bound_and_its_end_is_taken_without_them(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.deployments.services.reporting.MOST_LOGGED", 30)
    row = running(delivery)
    report(row, "m1", status="running", steps=[{"name": "apply", "status": "running", "log": "123456\n"}])
    with pytest.raises(Conflict, match="Nothing of this report was taken: send it without `log`") as refused:
        report(row, "m2", status="succeeded", steps=[{"name": "apply", "status": "succeeded", "log": "7890"}])
    assert refused.value.code == "too_much_log"
    report(row, "m2", status="succeeded", steps=[{"name": "apply", "status": "succeeded"}])
    assert until(row, "succeeded").status == "succeeded"


def test_after_the_last_report_that_is_taken_the_end_still_is(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.deployments.services.reporting.MOST_REPORTS", 2)
    row = running(delivery)
    for message in ("m1", "m2"):
        report(row, message, status="running")
    with pytest.raises(Conflict, match="only its end is still taken"):
        report(row, "m3", status="running")
    report(row, "m4", status="failed", text="The quota is used up.")
    assert until(row, "failed").problem == "The quota is used up."


def test_no_receiver_makes_more_steps_than_a_report_may_have(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.deployments.dispatchers.webhook.MOST_STEPS", 3)
    row = running(delivery)
    for first in range(3):
        names = [f"step {number}" for number in range(first * 2, first * 2 + 2)]
        report(row, f"m{first}", status="running", steps=[{"name": name, "status": "running"} for name in names])
        step_engine()
    report(row, "m9", status="succeeded")
    until(row, "succeeded")
    assert [step.name for step in queries.steps_of(row)] == ["step 0", "step 1", "step 2"]
