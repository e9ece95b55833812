"""The auditor's home names who started a deployment, not who wrote or merged the change."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.deployments import services
from apps.deployments.models import Deployment
from apps.presentation.audit_home import audit_lines
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
BY_HAND = pipeline("true", "true").replace("    after: [staging]\n", "").replace(
    "local, steps: [{name: apply, run: 'true'", "local, start: manual, steps: [{name: apply, run: 'true'"
)  # fmt: skip


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, BY_HAND)


def said(delivery: Delivery) -> tuple[list[str], list[str]]:
    """(exceptions, latest) as dave reads them."""
    dave = delivery.people.dave
    return tuple([row.text for row in audit_lines(dave, key)] for key in ("exceptions", "protected"))  # type: ignore[return-value]


def ran(row: Deployment) -> None:
    Deployment.objects.filter(pk=row.pk).update(status="succeeded", attempts=1)


def test_who_pressed_start_is_named_and_not_the_author(delivery: Delivery, client: Client) -> None:
    change = delivery.merged()
    row = delivery.deployment(change, "production")
    assert row.requested_by == change.owner == delivery.people.alice
    assert said(delivery) == ([], []), "it never ran"
    services.release(delivery.people.carol, deployment=row)
    ran(row)
    line = f"{row.label} {change.label} to production, started by carol"
    assert said(delivery) == ([], [line])
    client.force_login(delivery.people.dave)
    shown = client.get("/queue/").content.decode()
    assert line in shown
    assert "alice deployed" not in shown


def test_an_author_who_presses_start_is_an_exception(delivery: Delivery) -> None:
    change = delivery.merged()
    row = delivery.deployment(change, "production")
    services.release(delivery.people.alice, deployment=row)
    ran(row)
    own = [f"alice deployed their own {change.label} to production"]
    assert said(delivery) == (own, [f"{row.label} {change.label} to production, started by alice"])


def test_where_nobody_presses_start_it_is_told_who_asked(delivery: Delivery) -> None:
    change = delivery.merged()
    row = delivery.deployment(change, "production")
    Deployment.objects.filter(pk=row.pk).update(manual_start=False)
    ran(row)
    own = [f"alice asked for their own {change.label} in production"]
    assert said(delivery) == (own, [f"{row.label} {change.label} to production, asked for by alice"])


def test_what_was_cancelled_before_it_ran_is_left_out(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged(), "production")
    services.cancel(delivery.people.alice, deployment=row)
    assert said(delivery) == ([], [])
