"""The board and the queue of an environment while somebody points at their rows, in Chromium (acceptance 13)."""

from __future__ import annotations

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from apps.deployments.lifecycle import Event
from apps.deployments.models import Deployment
from apps.deployments.transitions import move
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
ROWS = "(region) => [...document.querySelectorAll(`${region} [data-rows] > *`)].map((row) => [row.id, row.textContent, row.getBoundingClientRect().top])"


def opened(scene: Scene, address: str) -> Page:
    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.goto(address)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    page.mouse.move(2, 2)
    return page


def moved(row: Deployment, event: str) -> None:
    row.refresh_from_db()
    with transaction.atomic():
        move(row, Event(event), text="apply failed.", problem="apply failed.")


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_acceptance_13_the_board_stays_while_pointer_or_focus_is_in_its_rows(scene: Scene, way: str) -> None:
    scene.run()
    page = opened(scene, "/environments/")
    row = page.locator("#board [data-rows] > tr").first
    expect(row).to_contain_text("Deploying")
    getattr(row.locator("a").first, way)()
    before = page.evaluate(ROWS, "#board")
    apart(lambda: moved(scene.row, "fail"))
    show = page.locator("[data-show-updates]")
    expect(show).to_have_text("1 update – Show", timeout=15_000)
    assert page.evaluate(ROWS, "#board") == before, "nothing says anything else"
    show.click()
    expect(row).to_contain_text("Deploy failed")
    expect(show).to_be_hidden()
    if way == "focus":
        assert page.evaluate("document.activeElement.closest('tr')?.id") == row.get_attribute("id"), "the focus is back"
    page.evaluate("document.activeElement.blur()")
    apart(lambda: moved(scene.row, "retry"))
    expect(row).to_contain_text("1 waiting", timeout=15_000)  # beside the list nothing is held back


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_acceptance_13_the_queue_of_an_environment_stays_while_pointer_or_focus_is_in_it(
    scene: Scene, way: str
) -> None:
    scene.run()
    place = apart(lambda: f"{scene.row.environment.repository.name}/{scene.row.environment.name}")
    page = opened(scene, f"/environments/{place}/")
    row = page.locator(f"#queued-{scene.row.number}")
    getattr(row.locator("a").first, way)()
    before = page.evaluate(ROWS, "#environment-state")
    later = apart(lambda: scene.delivery.deployment(scene.delivery.merged("two", {"app/two.yaml": "a: 1\n"})))
    show = page.locator("#environment-state [data-show-updates]")
    expect(show).to_be_visible(timeout=15_000)
    expect(page.locator("#environment-history [data-show-updates]")).to_be_hidden()
    assert page.evaluate(ROWS, "#environment-state") == before, "nothing was inserted"
    show.click()
    expect(page.locator(f"#queued-{later.number}")).to_be_visible()
    expect(show).to_be_hidden()
    if way == "focus":
        assert page.evaluate("document.activeElement.closest('li')?.id") == f"queued-{scene.row.number}"
