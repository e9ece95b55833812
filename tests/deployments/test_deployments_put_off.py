"""What happens to a start that had to be put off, and to a connection under a run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs import following
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery, run_jobs
from tests.support.outside import corp, step_engine, until
from tests.support.receiver import SECRET, Receiver
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db


def test_the_address_of_a_connection_stays_while_a_run_goes_through_it(delivery: Delivery, there: Receiver) -> None:
    there.behaviour = "drop"
    row = running(delivery)
    step_engine()
    with pytest.raises(Conflict, match="address stays"):
        services.update_connection(
            delivery.people.erin, connection=corp(), url="http://127.0.0.1:9", values={"secret": SECRET}
        )
    there.behaviour = "accept"
    step_engine()
    assert len(there.started()) == 1
    report(row, status="succeeded")
    until(row, "succeeded")
    services.update_connection(
        delivery.people.erin, connection=corp(), url="http://127.0.0.1:9", values={"secret": SECRET}
    )


def put_off(delivery: Delivery, there: Receiver) -> Deployment:
    """A deployment that could not be sent for a while."""
    there.behaviour = "429"
    row = running(delivery)
    step_engine()
    Attempt.objects.update(started_at=now() - timedelta(minutes=1))
    return row


def test_a_start_that_was_put_off_is_not_sent_once_the_connection_was_taken_away(
    delivery: Delivery, there: Receiver
) -> None:
    row = put_off(delivery, there)
    services.forbid_connection(delivery.people.erin, connection=corp(), repository=delivery.repository)
    there.behaviour = "accept"
    row = until(row, "failed")
    assert there.started() == []
    assert "never sent" in row.problem


def test_a_start_that_was_put_off_is_not_sent_into_a_lock_of_somebody_else(delivery: Delivery, there: Receiver) -> None:
    row = put_off(delivery, there)
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    there.behaviour = "accept"
    assert "a migration" in until(row, "failed").problem
    assert there.started() == []


def claimed(delivery: Delivery) -> Deployment:
    """A deployment that no worker has come to yet."""
    row = delivery.deployment(delivery.merged())
    run_jobs("deployments.start")
    row.refresh_from_db()
    assert row.status == "dispatching"
    return row


def lock_after_a_minute(delivery: Delivery, row: Deployment) -> None:
    Attempt.objects.filter(deployment=row).update(started_at=now() - timedelta(minutes=1))
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")


def test_a_lock_that_is_taken_while_a_start_is_prepared_does_not_stop_it(
    delivery: Delivery, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, prepare = claimed(delivery), following._begin

    def slowly(deployment: Deployment, attempt: Attempt, fence: int) -> None:
        prepare(deployment, attempt, fence)
        lock_after_a_minute(delivery, row)
        attempt.refresh_from_db()

    monkeypatch.setattr(following, "_begin", slowly)
    step_engine()
    assert len(there.started()) == 1


def test_a_start_that_no_worker_came_to_for_long_does_not_go_into_a_lock(delivery: Delivery, there: Receiver) -> None:
    row = claimed(delivery)
    lock_after_a_minute(delivery, row)
    row = until(row, "failed")
    assert "It was never sent" in row.problem
    assert "a migration" in row.problem
    assert there.started() == []


def test_a_start_whose_worker_died_before_it_sent_it_does_not_go_into_a_lock(
    delivery: Delivery, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = claimed(delivery)
    with monkeypatch.context() as killed:
        killed.setattr(following, "_go_on", lambda *_args, **_options: None)
        step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    lock_after_a_minute(delivery, row)
    assert "a migration" in until(row, "failed").problem
    assert there.started() == []


def test_a_start_that_was_put_off_goes_out_when_nothing_speaks_against_it(delivery: Delivery, there: Receiver) -> None:
    put_off(delivery, there)
    there.behaviour = "accept"
    step_engine()
    assert len(there.started()) == 1


def in_doubt(delivery: Delivery, there: Receiver) -> Deployment:
    """A deployment whose request may have arrived a minute ago."""
    there.behaviour = "drop"
    row = running(delivery)
    step_engine()
    Attempt.objects.update(started_at=now() - timedelta(minutes=1))
    there.behaviour = "accept"
    return row


def test_a_request_in_doubt_is_not_repeated_into_a_lock_of_somebody_else(delivery: Delivery, there: Receiver) -> None:
    row = in_doubt(delivery, there)
    asked = len(there.requests)
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    row = until(row, "unknown")
    assert "Nobody knows whether the request arrived" in row.problem
    assert "a migration" in row.problem
    assert len(there.requests) == asked


def test_what_was_answered_goes_on_whatever_is_closed_meanwhile(delivery: Delivery, there: Receiver) -> None:
    row = in_doubt(delivery, there)
    step_engine()
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    step_engine()
    report(row, status="succeeded")
    assert until(row, "succeeded").status == "succeeded"


def test_a_request_that_nobody_answers_is_unknown_in_time(delivery: Delivery, there: Receiver) -> None:
    row = in_doubt(delivery, there)
    there.behaviour = "drop"
    attempt = Attempt.objects.get(deployment=row)
    attempt.external_run["sent"] = (now() - timedelta(minutes=11)).isoformat()
    attempt.save(update_fields=["external_run"])
    asked = len(there.requests)
    assert "No request to corp was answered within 600 s" in until(row, "unknown").problem
    assert len(there.requests) == asked


def test_a_stop_that_a_receiver_does_not_take_for_long_is_put_to_a_person(delivery: Delivery, there: Receiver) -> None:
    """It cannot be asked how the run does, so nothing else would ever tell."""
    row = running(delivery)
    there.behaviour = "500"
    services.cancel(delivery.people.carol, deployment=row)
    step_engine()
    attempt, long_ago = Attempt.objects.get(deployment=row), (now() - timedelta(minutes=16)).isoformat()
    assert attempt.external_run["stop_refused_since"]
    row.refresh_from_db()
    assert row.status == "running"
    attempt.external_run |= {"stop_refused_since": long_ago, "stop_again": long_ago}
    attempt.save(update_fields=["external_run"])
    step_engine()
    row.refresh_from_db()
    assert row.status == "unknown"
    assert "for a quarter of an hour it could not be told" in row.problem
