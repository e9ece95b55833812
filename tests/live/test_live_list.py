"""The list of deployments while somebody reads in it, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
ROWS = "[...document.querySelectorAll('#deployment-list [data-rows] > tr')].map((row) => [row.id, row.textContent, row.getBoundingClientRect().top])"
ENVIRONMENTS = ("staging", "production")  # into which a merged change of the scene goes
FOCUSED = "document.activeElement.closest('tr')?.id"


@pytest.mark.parametrize("way", ["pointer", "focus"])
def test_acceptance_13_deployments_stay_while_pointer_or_focus_is_in_their_list(scene: Scene, way: str) -> None:
    scene.run()
    page = scene.context.new_page()
    page.goto("/deployments/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    link = page.locator(f"#deployment-row-{scene.row.number} a").first
    page.mouse.move(2, 2)
    if way == "pointer":
        link.hover()
    else:
        link.focus()
    before = page.evaluate(ROWS)
    later = apart(lambda: scene.delivery.deployment(scene.delivery.merged("two", {"app/two.yaml": "a: 1\n"})))
    scene.event("It goes on.")
    show = page.locator("[data-show-updates]")
    expect(show).to_have_text(f"{len(ENVIRONMENTS) + 1} updates – Show", timeout=15_000)
    assert page.evaluate(ROWS) == before, "nothing was inserted, and nothing says anything else"
    show.click()
    expect(page.locator(f"#deployment-row-{later.number}")).to_be_visible()
    expect(show).to_be_hidden()
    if way == "focus":
        assert page.evaluate(FOCUSED) == f"deployment-row-{scene.row.number}", "the focus is back"
