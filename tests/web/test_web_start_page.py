"""The page before a start says what is known to fail, what is taken back again, and what was never due there."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.presentation.coming_page import coming_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
BY_HAND = pipeline("true", "true").replace("    after: [staging]\n", "").replace(
    "local, steps: [{name: apply, run: 'true'", "local, start: manual, steps: [{name: apply, run: 'true'"
)  # fmt: skip


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, BY_HAND)


def merged(delivery: Delivery, name: str) -> ChangeRequest:
    return delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"})


def failed(delivery: Delivery, change: ChangeRequest) -> Deployment:
    """As if it had run in production, and the quota had not allowed it."""
    row = delivery.deployment(change, "production")
    Deployment.objects.filter(pk=row.pk).update(
        status="failed", attempts=1, started_at=now(), ended_at=now(), problem="quota exceeded: 9 replicas"
    )
    return row


def page_of(client: Client, delivery: Delivery, change: ChangeRequest) -> str:
    client.force_login(delivery.people.carol)
    row = delivery.deployment(change, "production")
    return client.get(f"/deployments/{row.number}/start/").content.decode()


def test_what_failed_here_is_told_on_its_row_and_above_them(delivery: Delivery, client: Client) -> None:
    one, two = merged(delivery, "one"), merged(delivery, "two")
    bad = failed(delivery, one)
    shown = page_of(client, delivery, two)
    link = f'<a href="/deployments/{bad.number}/">{bad.label}</a>'
    assert f"failed here in {link}: quota exceeded: 9 replicas" in shown
    assert "The last run in production failed, and this contains the same change:" in shown
    assert shown.index("The last run in production failed") < shown.index("with these changes:")
    assert "/environments/compare/?from=infra%2Fproduction&amp;to=git" in shown
    assert client.get("/environments/compare/?from=infra%2Fproduction&to=git").status_code == 200


def test_nothing_is_warned_of_that_ran_again_or_is_taken_back(delivery: Delivery, client: Client) -> None:
    one, two = merged(delivery, "one"), merged(delivery, "two")
    bad = failed(delivery, one)
    ChangeRequest.objects.filter(pk=two.pk).update(rolls_back=one)
    shown = page_of(client, delivery, two)
    assert f'taken back by <a href="/changes/{two.number}/">{two.label}</a>' in shown
    assert "The last run in production failed" not in shown
    Deployment.objects.filter(pk=bad.pk).update(status="succeeded")
    assert "failed here" not in page_of(client, delivery, two)


def test_what_was_not_due_there_is_marked(delivery: Delivery, client: Client) -> None:
    one, two = merged(delivery, "one"), merged(delivery, "two")
    delivery.deployment(one, "production").events.all().delete()
    delivery.deployment(one, "production").delete()
    shown = page_of(client, delivery, two)
    assert shown.count("was not due in production") == 1
    assert shown.index(one.label) < shown.index("was not due in production") < shown.index(f"{two.label}</a> <bdi>")


def test_the_one_who_reads_it_is_not_told_to_wait_for_themselves(delivery: Delivery, client: Client) -> None:
    change = merged(delivery, "one")
    run_until_idle()
    assert [wait["code"] for wait in delivery.deployment(change, "production").waits] == ["manual"]
    shown = page_of(client, delivery, change)
    assert "presses Start" not in shown
    assert "It still waits for" not in shown


def test_many_failures_cost_as_many_queries_as_a_few(delivery: Delivery) -> None:
    changes = [merged(delivery, f"c{number}") for number in range(6)]
    counts = []
    for until in (4, 6):
        for change in changes[: until - 1]:
            failed(delivery, change)
        row = Deployment.objects.select_related("change__repository", "environment__repository").get(
            pk=delivery.deployment(changes[until - 1], "production").pk
        )
        with CaptureQueriesContext(connection) as seen:
            found = coming_page(row)
        assert sum(one.failed is not None for one in found.rows) == until - 1
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_what_is_over_has_no_page_before_it(delivery: Delivery, client: Client) -> None:
    """Neither start, nor schedule, nor cancel: what they would do cannot be done, and was said to happen."""
    row = failed(delivery, merged(delivery, "one"))
    client.force_login(delivery.people.carol)
    for status in ("succeeded", "failed", "cancelled"):
        Deployment.objects.filter(pk=row.pk).update(status=status)
        for act in ("start", "schedule", "cancel"):
            answer = client.get(f"/deployments/{row.number}/{act}/")
            assert answer.status_code == 409, (status, act)
            assert f"{row.label} is {status}; it cannot be" in answer.content.decode()


def test_what_waits_keeps_all_three(delivery: Delivery, client: Client) -> None:
    change = merged(delivery, "one")
    row = delivery.deployment(change, "production")
    client.force_login(delivery.people.carol)
    for act in ("start", "schedule", "cancel"):
        assert client.get(f"/deployments/{row.number}/{act}/").status_code == 200
    services.release(delivery.people.carol, deployment=row)
    assert client.get(f"/deployments/{row.number}/start/").status_code == 409, "nothing waits for a press any more"


def test_the_queue_of_an_environment_offers_the_start_to_who_may_and_to_nobody_else(
    delivery: Delivery, client: Client
) -> None:
    row = delivery.deployment(merged(delivery, "one"), "production")
    link = f'href="/deployments/{row.number}/start/"'
    for user, offered in ((delivery.people.carol, True), (delivery.people.bob, False), (delivery.people.dave, False)):
        client.force_login(user)
        assert (link in client.get("/environments/infra/production/").content.decode()) is offered, user.username
    client.force_login(delivery.people.carol)
    assert client.get(f"/deployments/{row.number}/start/").status_code == 200
    Deployment.objects.filter(pk=row.pk).update(manual_start=False)
    assert link not in client.get("/environments/infra/production/").content.decode()
