"""A refresh of a region that fails: what is shown stays, the page says that it may be old, and it is asked for again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from apps.deployments.models import Deployment
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
ALERT = '<section class="error-box" id="refused" role="alert"><h2>Not reachable right now</h2></section>'
FAILURES: dict[str, Callable[[Route], None]] = {
    "a mistake of the portal": lambda route: route.fulfill(status=500, body="<!DOCTYPE html><h1>Our fault</h1>"),
    "a proxy without its server": lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"),
    "a refusal": lambda route: route.fulfill(status=503, body=ALERT),
    "a page that is no fragment": lambda route: route.fulfill(status=200, body="<h1>Sign in to the proxy</h1>"),
    "no network": lambda route: route.abort(),
}


def live(scene: Scene) -> Page:
    scene.run()
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    return page


def ended(scene: Scene) -> None:
    apart(lambda: Deployment.objects.filter(pk=scene.row.pk).update(status="succeeded"))
    scene.event("It succeeded.", status="succeeded")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_refresh_leaves_the_region_says_that_it_is_old_and_is_made_again(scene: Scene, failure: str) -> None:
    page = live(scene)
    header, freshness = page.locator(f"#deployment-{scene.row.label}-header"), page.locator("#freshness")
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        FAILURES[failure](route)

    page.route("**/_header/", refuse)
    ended(scene)
    expect(freshness).to_have_attribute("data-state", "lost")
    expect(freshness).to_contain_text("Not refreshed, trying again… state of")
    expect(header).to_contain_text("Running")
    assert page.get_by_role("alert").count() == 0, "nobody sent anything, so nothing is told of what was typed"
    page.wait_for_timeout(6_000)
    expect(freshness).to_have_attribute("data-state", "lost")
    assert 2 <= len(asked) <= 8, "again after some seconds, and no flood"
    page.unroute("**/_header/")
    expect(header).to_contain_text("Succeeded", timeout=30_000)
    expect(freshness).to_have_attribute("data-state", "live")


def test_several_regions_that_fail_together_ask_no_more_often_than_one(scene: Scene) -> None:
    page = live(scene)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, body=ALERT)

    for part in ("_header", "_steps", "_events"):
        page.route(f"**/{part}/", refuse)
    ended(scene)
    page.wait_for_timeout(12_000)
    assert 4 <= len(asked) <= 3 * 13
    for part in ("header", "steps", "events"):
        expect(page.locator(f"#deployment-{scene.row.label}-{part}")).to_be_attached()


def test_a_number_in_the_navigation_that_fails_is_asked_for_again_and_says_nothing_of_the_page(scene: Scene) -> None:
    page = live(scene)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=500, body="<h1>Our fault</h1>")

    page.route("**/_nav/queue-count/", refuse)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('portal:counts'))")
    for _ in range(60):
        page.wait_for_timeout(500)
        if len(asked) > 1:
            break
    assert len(asked) > 1
    expect(page.locator("#nav-queue-count")).to_be_attached()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
