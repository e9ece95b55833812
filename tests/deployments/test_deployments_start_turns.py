"""What waits only for somebody who presses Start is a turn of everybody who may press it, and of nobody else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.reviews.models import Attention
from apps.reviews.queue import attention_count
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
BY_HAND = pipeline("true", "true").replace(
    "protected: true\n    deploy: {via: local,", "protected: true\n    deploy: {via: local, start: manual,"
)  # fmt: skip


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, BY_HAND)


def turns(change: ChangeRequest) -> dict[str, str]:
    rows = Attention.objects.filter(change=change, kind="start")
    return dict(rows.values_list("user__username", "reason"))


def page_of(person: User, address: str) -> str:
    client = Client()
    client.force_login(person)
    return client.get(address).content.decode()


def test_it_needs_whoever_may_start_it_until_somebody_does(delivery: Delivery) -> None:
    people, change = delivery.people, delivery.merged()
    run_until_idle()
    row = delivery.deployment(change, "production")
    assert [wait["code"] for wait in row.waits] == ["manual"]
    reason = f"{row.label} to production waits only for somebody who presses Start"
    assert turns(change) == {"alice": reason, "carol": reason}, "its author, who writes here, and who deploys"
    assert (attention_count(people.carol), attention_count(people.bob)) == (1, 0)
    desk = page_of(people.carol, "/queue/")
    assert reason in desk
    assert "Waiting for Start" in desk
    shown = page_of(people.carol, f"/changes/{change.number}/")
    assert f'<a class="btn btn-primary" href="/deployments/{row.number}/start/">Start in production…</a>' in shown
    assert "Start in production…" not in page_of(people.bob, f"/changes/{change.number}/")
    services.release(people.carol, deployment=row)
    run_until_idle()
    assert turns(change) == {}
    assert Deployment.objects.get(pk=row.pk).status == "succeeded"


def test_it_needs_nobody_while_something_else_holds_it(delivery: Delivery) -> None:
    change = delivery.merged()
    Deployment.objects.filter(change=change, environment__name="staging").update(status="failed")
    run_until_idle()
    row = delivery.deployment(change, "production")
    assert {wait["code"] for wait in row.waits} > {"manual"}
    assert turns(change) == {}
    assert "Start in production…" not in page_of(delivery.people.carol, f"/changes/{change.number}/")


def test_a_schedule_and_a_cancel_end_it(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    row, carol = delivery.deployment(change, "production"), delivery.people.carol
    services.schedule_deployment(carol, deployment=row, at=now() + timedelta(days=2))
    run_until_idle()
    assert turns(change) == {}
    services.schedule_deployment(carol, deployment=row, at=None)
    run_until_idle()
    assert set(turns(change)) == {"alice", "carol"}
    services.cancel(carol, deployment=row)
    run_until_idle()
    assert turns(change) == {}
