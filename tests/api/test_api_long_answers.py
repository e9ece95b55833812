"""Answers that may be as long as an installation is large: logs come in pieces, lists of environments in pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.deployments.models import Deployment, DeploymentEvent, Environment
from apps.presentation.chunks import CHUNK
from tests.support.api_world import World
from tests.support.streaming import pieces_of

pytestmark = pytest.mark.django_db
LINE = "x" * 1_000


def long_log(row: Deployment, lines: int) -> None:
    row.events.all().delete()
    DeploymentEvent.objects.bulk_create(
        DeploymentEvent(deployment=row, seq=number, at=now(), kind="log", step="apply", attempt=1, text=f"{number} {LINE}")
        for number in range(1, lines + 1)
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/api/v1/deployments/{}/log/", "/deployments/{}/log/"])
def test_a_long_log_is_never_in_memory_whole(world: World, path: str) -> None:
    row = Deployment.objects.get(number=world.names["succeeded"])
    long_log(row, 400)
    client = Client()
    client.force_login(world.people["alice"])
    answer = client.get(path.format(row.number))
    assert answer.streaming
    pieces = pieces_of(answer)
    assert len(pieces) > 5
    assert max(map(len, pieces)) < CHUNK + 2 * len(LINE)
    assert b"".join(pieces).decode() == "".join(f"{number} {LINE}\n" for number in range(1, 401))


def test_a_log_that_has_not_grown_is_not_sent_again(world: World, api: Any) -> None:
    row = Deployment.objects.get(number=world.names["succeeded"])
    path = f"/api/v1/deployments/{row.number}/log/"
    tag = api("alice").get(path).headers["ETag"]
    assert api("alice").get(path, headers={"If-None-Match": tag}).status_code == 304
    Deployment.objects.filter(pk=row.pk).update(last_event=row.last_event + 1)
    assert api("alice").get(path, headers={"If-None-Match": tag}).status_code == 200


def test_environments_come_in_pages_in_promotion_order(world: World, api: Any) -> None:
    for number in range(3):
        name = f"more-{number}"
        Environment.objects.create(repository=world.repository, name=name, position=7, targets=[])
    every = [(row["repository"], row["position"], row["name"]) for row in all_of(api, "/api/v1/environments/")]
    assert every == sorted(every)
    assert len(every) > 4
    one_by_one = all_of(api, "/api/v1/environments/?limit=1")
    assert [(row["repository"], row["position"], row["name"]) for row in one_by_one] == every
    assert api("mallory").get("/api/v1/environments/?limit=1").json() == {"results": [], "next": None}
    refused = api("alice").get("/api/v1/environments/?after=99999999")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_after")


def all_of(api: Any, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while address:
        body = api("alice").get(address).json()
        found, address = found + body["results"], body["next"]
    return found
