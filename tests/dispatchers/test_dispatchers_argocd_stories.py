"""From a merged change to an application of Argo CD that is healthy, or was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import queries, services
from apps.deployments.models import Attempt
from tests.support.argo import Argo, argo
from tests.support.dispatching import TOKEN
from tests.support.outside import delivery_via, step_engine, until


@pytest.fixture
def there(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as found:
        yield found


@pytest.mark.django_db
def test_a_merged_change_is_synced_and_its_story_is_told(tmp_path: Path, there: Argo) -> None:
    deploy = "via: argocd, connection: corp, application: web, timeout: 10m"
    delivery = delivery_via(tmp_path, deploy, kind="argocd", url=there.url, values={"token": TOKEN})
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    assert [one["revision"] for one in there.synced] == [row.commit]
    there.begin()
    step_engine()
    there.end(results=[{"kind": "Deployment", "namespace": "web", "name": "web", "status": "Synced", "message": "ok"}])
    row = until(row, "succeeded")
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("sync", "succeeded"),
        ("wait until healthy", "succeeded"),
    ]
    assert "Deployment web/web: Synced ok" in [event.text for event in queries.events(row)]
    row.environment.refresh_from_db()
    assert row.environment.live_commit == row.commit
    assert Attempt.objects.get(deployment=row).resources[0]["sync"] == "synced"


@pytest.mark.django_db
def test_a_lost_answer_and_a_cancel_leave_one_operation_and_say_what_was_applied(tmp_path: Path, there: Argo) -> None:
    deploy = "via: argocd, connection: corp, application: web"
    delivery = delivery_via(tmp_path, deploy, kind="argocd", url=there.url, values={"token": TOKEN})
    there.drop = True
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    there.begin()
    step_engine()
    services.cancel(delivery.people.alice, deployment=row)
    step_engine()
    there.end("Failed", "Operation terminated")
    row = until(row, "cancelled")
    assert len(there.synced) == 1
    assert "Stopped in the middle: sync" in [event.text for event in queries.events(row)][-1]
