"""What ended because something newer was live was never live itself: not at a time, not in the history, not to be brought back."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.test import Client

from apps.accounts.models import User
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.ledger import brought_by, live_at
from apps.deployments.queries.returning import return_to
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(tmp_path: Path) -> list[Deployment]:
    """Live, live after it, and one of the first change that waited until then and ran nothing."""
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    older = delivery.merged("one")
    run_until_idle()
    late = services.start_deployment(delivery.people.alice, change=older, environment="staging")
    Deployment.objects.filter(pk=late.pk).update(manual_start=True)
    newer = delivery.merged("two", {"app/other.yaml": "b: 1\n"})
    run_until_idle()
    Deployment.objects.filter(pk=late.pk).update(manual_start=False, check_at=None)
    run_until_idle()
    found = [delivery.deployment(older), delivery.deployment(newer)]
    first = Deployment.objects.filter(environment=late.environment_id).earliest("number")
    assert found[0].pk == late.pk
    return [first, found[1], found[0]]


def test_what_was_live_at_a_time_is_not_what_ran_nothing(rows: list[Deployment]) -> None:
    _, newer, late = rows
    assert (late.status, newer.status) == ("succeeded", "succeeded")
    assert [row.became_live for row in rows] == [True, True, False]
    assert late.ended_at is not None
    assert live_at(late.environment, late.ended_at + timedelta(minutes=1)) == newer


def test_the_history_gives_it_nothing_that_it_brought_or_took_back(rows: list[Deployment]) -> None:
    first, newer, late = rows
    brought = brought_by(late.environment, rows)
    assert set(brought) == {first.pk, newer.pk}
    assert not any(one.took_back for one in brought.values())
    client = Client()
    client.force_login(User.objects.get(username="carol"), backend="apps.accounts.backends.PortalBackend")
    page = client.get("/environments/infra/staging/").content.decode()
    assert f"/deployments/{first.number}/bring-back/" in page
    assert f"/deployments/{late.number}/bring-back/" not in page
    assert "took back" not in page


def test_it_cannot_be_brought_back(rows: list[Deployment]) -> None:
    with pytest.raises(Conflict, match="ran nothing") as refused:
        return_to(rows[2])
    assert refused.value.code == "never_good"


def test_a_redeployment_after_it_counts_from_what_was_live(rows: list[Deployment]) -> None:
    late = rows[2]
    services.start_deployment(late.requested_by, change=rows[1].change, environment="staging")
    run_until_idle()
    again = Deployment.objects.filter(environment=late.environment_id).latest("number")
    assert again.became_live
    assert brought_by(late.environment, [again])[again.pk].earlier == rows[1]


def test_old_rows_are_told_apart_by_what_they_said(rows: list[Deployment]) -> None:
    Deployment.objects.update(became_live=False)
    import_module("apps.deployments.migrations.0028_what_was_live").mark_what_was_live(apps, None)
    for row in rows:
        row.refresh_from_db()
    assert [row.became_live for row in rows] == [True, True, False]
    live = Environment.objects.exclude(live_deployment=None).values_list("live_deployment__became_live", flat=True)
    assert set(live) == {True}
