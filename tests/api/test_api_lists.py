"""Lists: in the order that they say, in pages that lose no row, and narrowed by exactly what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api.views import connections
from apps.core.clock import now
from apps.deployments.models import Connection, Deployment
from tests.support.api_world import World

pytestmark = pytest.mark.django_db


def all_of(client: Any, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while address:
        body = client.get(address).json()
        found, address = found + body["results"], body["next"]
    return found


def test_what_began_last_is_the_first_of_the_deployments_as_on_the_page(world: World, api: Any) -> None:
    oldest = Deployment.objects.order_by("number").first()
    assert oldest is not None
    Deployment.objects.filter(pk=oldest.pk).update(latest_at=now())  # a new attempt of it
    every = all_of(api("erin"), "/api/v1/deployments/")
    assert every[0]["number"] == oldest.number
    places = [(row["latest_at"], row["number"]) for row in every]
    assert places == sorted(places, reverse=True)
    assert all_of(api("erin"), "/api/v1/deployments/?limit=1") == every


def test_deployments_of_one_moment_are_all_on_some_page(world: World, api: Any) -> None:
    Deployment.objects.update(latest_at=now())
    numbers = [row["number"] for row in all_of(api("erin"), "/api/v1/deployments/?limit=1")]
    assert numbers == sorted(Deployment.objects.values_list("number", flat=True), reverse=True)


def test_connections_are_all_on_some_page_wherever_a_database_puts_dashes(
    world: World, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a-z", "ab"):
        Connection.objects.create(
            name=name, kind="webhook", created_by=world.people["erin"], created_at=now(), updated_at=now()
        )
    asked = connections.visible_connections
    # As PostgreSQL sorts in en_US: dashes do not count.
    monkeypatch.setattr(
        connections, "visible_connections", lambda user: sorted(asked(user), key=lambda row: row.name.replace("-", ""))
    )
    names = [row["name"] for row in all_of(api("erin"), "/api/v1/connections/?limit=1")]
    assert names == sorted(Connection.objects.values_list("name", flat=True))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("changes/?status=open", "status"), ("audit/?since=2026-01-01", "since"), ("deployments/?env=staging", "env"),
        ("me/?x=", "x"), ("changes/{review}/diff/?file=a", "file"),
    ],
)  # fmt: skip
def test_a_filter_that_is_misspelt_is_refused_by_name(path: str, name: str, world: World, api: Any) -> None:
    answer = api("erin").get(f"/api/v1/{path.format(**world.names)}")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert name in answer.json()["fields"]


def test_a_filter_that_is_given_twice_is_refused_and_each_alone_is_taken(world: World, api: Any) -> None:
    answer = api("erin").get("/api/v1/deployments/?state=failed&state=running")
    assert (answer.status_code, answer.json()["code"]) == (422, "repeated_parameter")
    assert "state" in answer.json()["fields"]
    assert api("erin").get("/api/v1/deployments/?state=failed").status_code == 200
