"""What happens to a start that had to be put off, and to a connection under a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment, Report
from tests.support.delivery import Delivery
from tests.support.outside import corp, delivery_via, step_engine, until
from tests.support.receiver import SECRET, Receiver, receiver, signature

pytestmark = pytest.mark.django_db
DEPLOY = "via: webhook, connection: corp, path: /deploy, timeout: 10m"


@pytest.fixture
def there(settings: Any) -> Iterator[Receiver]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with receiver() as found:
        yield found


@pytest.fixture
def delivery(tmp_path: Path, there: Receiver) -> Delivery:
    return delivery_via(tmp_path, DEPLOY, kind="webhook", url=there.url, values={"secret": SECRET})


def running(delivery: Delivery) -> Deployment:
    return until(delivery.deployment(delivery.merged()), "running")


def key_of(row: Deployment) -> str:
    return Attempt.objects.filter(deployment=row).latest("number").key


def report(row: Deployment, message_id: str = "m1", *, key: str = "", sign_with: str = "", **told: Any) -> Report:
    body = json.dumps({"key": key or key_of(row), **told}).encode()
    stamp = str(int(now().timestamp()))
    signed = sign_with or signature(message_id, stamp, body)
    headers = {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signed}
    return services.accept_report(number=row.number, headers=headers, body=body)


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


def test_a_start_that_was_put_off_goes_out_when_nothing_speaks_against_it(delivery: Delivery, there: Receiver) -> None:
    put_off(delivery, there)
    there.behaviour = "accept"
    step_engine()
    assert len(there.started()) == 1
