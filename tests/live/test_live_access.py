"""A page of an environment says that access was taken away, and is fresh without sockets, in Chromium."""

from __future__ import annotations

import pytest
from django.db import transaction
from playwright.sync_api import Page, Route, expect

from apps.deployments.lifecycle import Event
from apps.deployments.models import Deployment, Environment
from apps.deployments.services import set_status_page
from apps.deployments.signals import environment_changed
from apps.deployments.transitions import move
from apps.repositories.services import remove_member
from apps.web.views import status_pages
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
COUNT_REFUSED = """
  window.tried = 0;
  window.WebSocket = class { constructor() { window.tried += 1; setTimeout(() => this.onclose({ code: 1006 }), 10); } close() {} };
"""


def opened(scene: Scene, script: str = "") -> Page:
    """The page of the environment, with a clock that can be put forward."""
    place = apart(lambda: scene.row.environment.name)
    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.clock.install()
    page.add_init_script(script)
    page.goto(f"/environments/{scene.delivery.repository.name}/{place}/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=60_000)
    return page


def take_away(scene: Scene) -> None:
    people, repository = scene.delivery.people, scene.delivery.repository
    apart(lambda: remove_member(people.carol, repository=repository, member="alice"))


def test_a_lost_role_is_told_on_the_page_of_an_environment(scene: Scene) -> None:
    page = opened(scene)
    take_away(scene)
    expect(page.get_by_role("alert")).to_contain_text("your access has changed", timeout=30_000)
    expect(page.locator("#freshness")).to_contain_text("Not live: state of")


def test_without_sockets_it_is_fresh_when_it_came_and_a_lost_role_ends_everything(scene: Scene) -> None:
    scene.run()
    page = opened(scene, COUNT_REFUSED)
    apart(lambda: ended(scene.row))
    expect(page.locator("#environment-history")).to_contain_text(scene.row.label, timeout=60_000)
    expect(page.locator("#freshness")).to_contain_text("Live · ")
    take_away(scene)
    expect(page.get_by_role("alert")).to_contain_text("your access has changed", timeout=60_000)
    tried = page.evaluate("tried")
    assert tried >= 3
    page.clock.fast_forward(120_000)
    page.clock.fast_forward(120_000)
    assert page.evaluate("tried") == tried, "it is final: no other socket is tried"
    expect(page.locator("#freshness")).to_have_attribute("data-state", "lost")


def ended(row: Deployment) -> None:
    row.refresh_from_db()
    with transaction.atomic():
        move(row, Event("fail"), text="apply failed.", problem="apply failed.")


def test_the_page_of_a_proxy_is_no_word_of_the_portal_about_access(scene: Scene) -> None:
    page = opened(scene)

    def nobody_is_here(route: Route) -> None:
        route.fulfill(status=404, body="<h1>default backend - 404</h1>")

    page.route("**/_history/", nobody_is_here)
    apart(lambda: environment_changed.send(sender=None, environment_id=scene.row.environment_id))
    expect(page.locator("#freshness")).to_contain_text("Not refreshed, trying again…", timeout=30_000)
    assert page.get_by_role("alert").count() == 0


def test_an_open_status_page_asks_again_by_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_pages, "REFRESH", 1)
    monkeypatch.setattr(status_pages, "KEEP", 0)
    path = apart(
        lambda: (
            set_status_page(
                scene.delivery.people.carol,
                environment=Environment.objects.select_related("repository").get(pk=scene.row.environment_id),
                is_on=True,
            ).path
        )
    )
    page = scene.context.new_page()
    page.goto(path)
    expect(page.locator("main")).to_contain_text("None has ended yet.")
    apart(lambda: Deployment.objects.filter(pk=scene.row.pk).update(status="failed", ended_at=scene.row.queued_at))
    expect(page.locator("main")).not_to_contain_text("None has ended yet.", timeout=30_000)
