"""How what is live does now stands where it is read: seen by the look for drift, with its age; and an old look is never green."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.cache import cache
from django.db.models import F
from django.test import Client

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment, DriftCheck, DriftWatch, Environment
from apps.deployments.queries.board import Asked
from apps.presentation.board import Cell, board_page
from tests.support.argo import Argo, argo, resource
from tests.support.clusters import deployment
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.drifting import drifting
from tests.support.outside import step_engine, until

pytestmark = pytest.mark.django_db
CHECK = "deployments.check_drift"
POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    drift: {every: 30m}
    deploy: {via: argocd, connection: corp, application: web, timeout: 10m}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
FREEZE = (
    "windows:\n  - {{name: audit week, kind: freeze, environments: [staging], from: 2020-01-01T00:00+00:00, to: {}}}\n"
)


class World:
    """A repository whose staging runs an application of Argo CD."""

    def __init__(self, delivery: Delivery, there: Argo, row: Deployment) -> None:
        self.delivery, self.there, self.row = delivery, there, row
        self.browser = Client()
        self.browser.force_login(delivery.people.bob)

    @property
    def cell(self) -> Cell:
        (found,) = [cell for line in board_page(self.delivery.people.bob, Asked()).rows for cell in line.cells if cell]
        return found

    def becomes(self, health: str, message: str = "") -> None:
        self.there.status["health"] = {"status": health}
        told = {"status": health, **({"message": message} if message else {})}
        self.there.status["resources"] = [resource(health=told)]

    def look(self) -> Cell:
        DriftWatch.objects.update(next_at=now())
        assert run_jobs(CHECK) == 1
        return self.cell

    def later(self, **how: int) -> None:
        """As if all of it had been that much earlier."""
        past = timedelta(**how)
        Deployment.objects.update(started_at=F("started_at") - past)
        DriftCheck.objects.update(checked_at=F("checked_at") - past)
        DriftCheck.objects.exclude(health_since=None).update(health_since=F("health_since") - past)

    def html(self, path: str) -> str:
        return " ".join(self.browser.get(path).content.decode().split())


def deployed(tmp_path: Path, there: Argo, policy: str) -> World:
    cache.clear()
    delivery = Delivery.start(tmp_path, policy)
    corp = services.create_connection(
        delivery.people.erin, name="corp", kind="argocd", url=there.url, values={"token": TOKEN}
    )
    services.allow_connection(delivery.people.erin, connection=corp, repository=delivery.repository, environments=[])
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    there.begin()
    there.end()
    until(row, "succeeded")
    run_jobs("deployments.read_environments")
    return World(delivery, there, row)


@pytest.fixture
def there(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, there: Argo) -> World:
    return deployed(tmp_path, there, POLICY)


def test_an_application_that_degrades_after_its_deployment_is_degraded_since_then(world: World) -> None:
    assert world.cell.health == "not_checked"
    assert world.look().health == "healthy"
    world.later(minutes=10)
    world.becomes("Degraded", "crash loop")
    assert world.look().health == "degraded"
    world.later(minutes=6)
    cell = world.look()
    assert cell.health_since is not None
    assert cell.seen is not None
    assert timedelta(minutes=6) <= now() - cell.health_since < timedelta(minutes=7)
    assert now() - cell.seen.at < timedelta(minutes=1)
    assert cell.seen.why == "Deployment web (crash loop)"
    assert (cell.health_url, cell.sync) == (cell.drift_url, "up_to_date")
    board, page = world.html("/environments/"), world.html(cell.url)
    for html in (board, page):
        assert "Degraded" in html
        assert ", checked <time" in html
        assert "Healthy when deployed" not in html
    assert "Deployment web (crash loop)" in page
    assert "Degraded: Deployment web (crash loop)" in world.html(cell.drift_url)


def test_what_is_not_there_is_down_and_comes_back(world: World) -> None:
    world.becomes("Missing")
    assert world.look().health == "down"
    world.later(minutes=6)
    world.becomes("Healthy")
    cell = world.look()
    assert cell.health == "healthy"
    assert cell.health_since is not None
    assert now() - cell.health_since < timedelta(minutes=1)


def test_an_old_look_is_never_green_and_says_when_it_was(world: World) -> None:
    world.look()
    world.later(minutes=59)
    assert world.cell.health == "healthy"
    world.later(minutes=2)
    cell = world.cell
    assert (cell.health, cell.seen, cell.health_url) == ("not_checked", None, "")
    assert cell.health_since == DriftCheck.objects.get(is_latest=True).checked_at
    assert "Then: Healthy." in world.html(cell.drift_url)


def held(world: World) -> None:
    """As if its checks had held after the run."""
    at = now().isoformat()
    health = {"since": at, "good_since": "2020-01-01T00:00:00+00:00", "checks": {"answers": {"at": at}}}
    Attempt.objects.filter(deployment=world.row).update(health=health)
    Deployment.objects.filter(pk=world.row.pk).update(plan={**world.row.plan, "health": {"for_seconds": 60}})


def test_without_a_look_that_tells_it_the_words_of_the_deployment_stay(world: World) -> None:
    held(world)
    assert world.cell.health == "was_healthy"
    world.there.answers["GET web"] = [(503, "no")] * 20
    assert world.look().health == "was_healthy"
    assert DriftCheck.objects.get(is_latest=True).health == "unknown"


def test_an_old_look_that_found_it_degraded_is_not_forgotten_for_a_better_word(world: World) -> None:
    held(world)
    world.becomes("Degraded")
    assert world.look().health == "degraded"
    world.later(hours=2)
    assert world.cell.health == "not_checked"


def test_what_begins_there_makes_the_look_old(world: World) -> None:
    world.look()
    second = until(world.delivery.deployment(world.delivery.merged("two")), "running")
    assert world.cell.health == "deploying"
    Deployment.objects.filter(pk=second.pk).update(status="cancelled", ended_at=now())
    assert world.cell.health == "not_checked"


def test_a_freeze_stands_beside_the_health_and_not_in_its_place(tmp_path: Path, there: Argo) -> None:
    world = deployed(tmp_path, there, POLICY)
    world.becomes("Degraded")
    world.look()
    ends = (now().replace(microsecond=0, second=0) + timedelta(days=3)).isoformat(timespec="minutes")
    world.delivery.merged("three", {".gitops/portal.yaml": POLICY + FREEZE.format(ends)})
    cell = world.cell
    assert cell.frozen_until
    assert cell.health == "degraded"
    board, page = world.html("/environments/"), world.html(cell.url)
    for html in (board, page):
        assert "Degraded" in html
        assert "Frozen" in html
    cells = board[board.index('id="board"') :]
    assert (cells.lower().count("frozen"), cells.count("</a> until ")) == (1, 1)


def test_strangers_and_programs_read_it_too(world: World) -> None:
    world.becomes("Degraded", "crash loop")
    world.look()
    environment = Environment.objects.get(pk=world.row.environment_id)
    page = services.set_status_page(world.delivery.people.carol, environment=environment, is_on=True)
    html = " ".join(Client().get(page.path).content.decode().split())
    assert "Degraded" in html
    assert ", checked <time" in html
    assert "crash loop" not in html
    answer = world.browser.get("/api/v1/environments/board/").json()
    (row,) = answer["results"]
    (told,) = [cell for cell in row["cells"] if cell]
    assert (told["health"], told["health_why"]) == ("degraded", "Deployment web (crash loop)")
    assert told["health_checked_at"]
    assert told["since"]


def test_a_look_at_a_cluster_tells_of_its_workloads(tmp_path: Path, settings: Any) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with drifting(tmp_path) as there:
        there.check()
        assert (there.latest.health, there.latest.health_why) == (
            "unknown",
            "Nothing of it has a state that could be read.",
        )
        there.deploy("web", {"k8s/web.yaml": yaml.safe_dump(deployment(0))})
        assert there.check().health is not None
        assert there.latest.health == "healthy"
        there.there.objects["deployments", "web", "web"]["spec"]["replicas"] = 2
        seen = there.check().health
        assert seen is not None
        assert (seen.word, seen.is_known) == ("down", True)
        assert "Deployment web/web" in seen.why
