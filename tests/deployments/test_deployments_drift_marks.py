"""An acceptance is about one difference, whole: what a page shows in the same words is another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.dispatchers import kube_drift
from apps.deployments.models import DriftAcceptance
from tests.support.drifting import Drifting, drifting

pytestmark = pytest.mark.django_db
PAGE = "/environments/infra/staging/drift/"


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        yield found


def accept(world: Drifting) -> None:
    mark, tomorrow = world.latest.findings[0]["mark"], now() + timedelta(days=1)
    carol = world.delivery.people.carol
    services.accept_drift(carol, environment=world.environment, mark=mark, reason="known", until=tomorrow)


def test_an_acceptance_ends_where_the_value_differs_behind_what_is_shown(world: Drifting) -> None:
    world.change(value="x" * 3000 + "a")
    world.check()
    accept(world)
    assert world.drift.state == "accepted"
    assert world.check().state == "accepted"
    shown = world.latest.findings[0]["found"]
    world.change(value="x" * 3000 + "b")
    assert (world.check().state, world.latest.findings[0]["found"]) == ("drifted", shown)


def test_an_acceptance_of_before_counts_again_at_the_next_look(world: Drifting) -> None:
    world.change()
    world.check()
    accept(world)
    DriftAcceptance.objects.update(mark="0" * 64)
    assert world.check().state == "drifted"


def test_what_is_only_known_to_differ_is_not_accepted(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    real = kube_drift._of_item
    monkeypatch.setattr(kube_drift, "_of_item", lambda *more: [replace(one, is_vague=True) for one in real(*more)])
    world.change()
    world.check()
    with pytest.raises(Conflict, match="only that it differs is known") as refused:
        accept(world)
    assert refused.value.code == "not_known"
    carol = world.delivery.people.carol
    client = Client()
    client.force_login(carol, backend="apps.accounts.backends.PortalBackend")
    page = client.get(PAGE).content.decode()
    assert "cannot be: only that it differs is known, not how" in page
    assert "Accept…" not in page
    api = APIClient()
    api.force_authenticate(carol)
    (target,) = api.get(f"/api/v1{PAGE}").json()["targets"]
    assert [one["can_be_accepted"] for one in target["findings"]] == [False]
