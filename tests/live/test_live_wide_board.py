"""A board of many environments with long names, in Chromium: the table scrolls, and never the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from apps.deployments.models import Environment
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM


def many(scene: Scene) -> None:
    """Sixty regions with two services, of which one stands only in every second."""
    repository = scene.delivery.repository
    Environment.objects.bulk_create(
        Environment(
            repository=repository,
            name=f"region-{at:02}-{'x' * 54}",
            position=at + 10,
            targets=["web", "jobs"] if at % 2 else ["jobs"],
        )
        for at in range(60)
    )


@pytest.mark.parametrize("width", [1440, 1024, 360])
def test_a_board_of_sixty_environments_never_scrolls_the_page_sideways(scene: Scene, width: int) -> None:
    apart(lambda: many(scene))
    page = scene.context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/environments/")
    expect(page.get_by_text("10 of 62 environments beside each other")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("link", name="Later environments").click()
    expect(page.get_by_role("link", name="Earlier environments")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
