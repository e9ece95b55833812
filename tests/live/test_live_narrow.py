"""The page of a deployment on a phone: nothing of it is left out, in Chromium."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.watching import IN_CHROMIUM, Scene

pytestmark = IN_CHROMIUM


def test_on_a_phone_events_times_and_how_fresh_it_is_can_be_read(scene: Scene) -> None:
    scene.run()
    scene.write(20)
    scene.event("It began.")
    page = scene.open()
    page.set_viewport_size({"width": 360, "height": 780})
    expect(page.locator(".fresh-text")).to_be_visible()
    expect(page.locator(".fresh-text")).to_have_text(re.compile(r"Live · \d+ s$"))
    for part in (".event-list li >> nth=0", "#step-apply-L20 .lt", "#log-times"):
        expect(page.locator(part)).to_be_visible()
    above = page.evaluate("document.querySelector('.logs').getBoundingClientRect().bottom")
    assert page.evaluate("document.querySelector('.events').getBoundingClientRect().top") >= above
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.goto(f"/deployments/{scene.row.number}/_events/")
    expect(page.locator(".event-list")).to_contain_text("It began.")
