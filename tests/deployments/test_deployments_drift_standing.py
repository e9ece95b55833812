"""How what is live does, as the checks of ``deploy.health`` say long after the deployment: at each look, and never better than it was seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.deployments import services
from apps.deployments.dispatchers.standing import DEGRADED, DOWN, HEALTHY, UNKNOWN, Standing, worst
from apps.deployments.models import Deployment
from tests.support.commanded import Commanded
from tests.support.health import Site, web_site

pytestmark = pytest.mark.django_db
WATCHED = {"for_seconds": 60, "within_seconds": 300, "otherwise": "report"}
HTTP = {"name": "answers", "kind": "http", "target": "/healthz", "connection": "shop", "status": 200, "contains": ""}


def smoke(command: str) -> dict[str, Any]:
    return {"name": "smoke", "kind": "command", "target": command, "timeout_seconds": 5}


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with web_site() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path) -> Commanded:
    return Commanded(tmp_path, "exit 0")


def watched(world: Commanded, *checks: dict[str, Any]) -> None:
    """As if it had been deployed with these checks."""
    live = world.environment.live_deployment
    assert live is not None
    Deployment.objects.filter(pk=live.pk).update(plan={**live.plan, "health": {**WATCHED, "checks": list(checks)}})


def told(world: Commanded) -> tuple[str, str]:
    drift = world.check()
    assert drift.state == "in_sync" and drift.health is not None
    return drift.health.word, drift.health.why


def test_a_command_is_asked_again_at_each_look(world: Commanded) -> None:
    watched(world, smoke(f"sh {world.there}"))
    world.there.write_text("true")
    assert told(world) == (HEALTHY, "")
    world.there.write_text("echo no pod answers; false")
    assert told(world) == (DOWN, "smoke (exited with 1: no pod answers)")
    world.there.write_text("true")
    assert told(world) == (HEALTHY, "")


def test_what_one_of_several_says_makes_it_degraded_and_all_of_them_down(world: Commanded, site: Site) -> None:
    erin = world.delivery.people.erin
    shop = services.create_connection(erin, name="shop", kind="http", url=site.url, values={})
    watched(world, smoke("true"), HTTP)
    word, why = told(world)
    assert word == UNKNOWN and "without its connection" in why
    services.allow_connection(erin, connection=shop, repository=world.delivery.repository, environments=[])
    assert told(world) == (HEALTHY, "")
    site.answers["/healthz"] = (503, "no")
    assert told(world) == (DEGRADED, "answers (answered 503, not 200)")
    watched(world, smoke("false"), HTTP)
    assert told(world)[0] == DOWN


def test_a_prometheus_that_does_not_answer_says_nothing_and_hides_nothing(world: Commanded, site: Site) -> None:
    erin = world.delivery.people.erin
    row = services.create_connection(erin, name="metrics", kind="prometheus", url=site.url, values={})
    services.allow_connection(erin, connection=row, repository=world.delivery.repository, environments=[])
    errors = {
        "name": "errors",
        "kind": "prometheus",
        "target": "errors",
        "connection": "metrics",
        "below": 1,
        "above": None,
    }
    watched(world, errors)
    assert told(world)[0] == UNKNOWN
    watched(world, errors, smoke("false"))
    assert told(world) == (DEGRADED, "smoke (exited with 1)")
    site.answers["/api/v1/query"] = (200, '{"status": "success", "data": {"resultType": "scalar", "result": [0, "5"]}}')
    watched(world, errors)
    assert told(world) == (DEGRADED, "errors (5 is not below 1)")


def test_without_a_check_nobody_can_say_and_what_the_dispatcher_answers_is_not_asked(world: Commanded) -> None:
    watched(world, {"name": "r", "kind": "resources", "target": "healthy"})
    assert world.check().health is None


def test_the_board_says_it_and_who_is_not_to_see_it_is_not_told(world: Commanded, client: Client) -> None:
    watched(world, smoke("echo no pod answers; false"))
    told(world)
    client.force_login(world.delivery.people.alice)
    assert "Down" in client.get("/environments/").content.decode()
    assert "no pod answers" in client.get("/environments/infra/staging/").content.decode()
    client.force_login(world.delivery.people.mallory)
    assert "Down" not in client.get("/environments/").content.decode()


def test_of_two_words_the_worse_one_holds() -> None:
    cluster, checks = Standing(HEALTHY), Standing(DEGRADED, "errors (0.2 is not below 0.1)")
    assert worst([cluster, checks]) == checks
    assert worst([Standing(UNKNOWN, "The cluster is silent."), Standing(HEALTHY)]).word == UNKNOWN
    assert worst([Standing(DOWN, "a."), Standing(UNKNOWN, "b."), Standing(DOWN, "c.")]) == Standing(DOWN, "a. c.")
