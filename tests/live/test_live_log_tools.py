"""What stands around a log: its tools have their room before they come, and one height; long events can be read. In Chromium."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.live.test_live_attempts import fail
from tests.support.watching import COUNT_SOCKETS, IN_CHROMIUM, Scene

pytestmark = IN_CHROMIUM
SIZES = [(1280, 900), (1024, 800), (768, 1024), (360, 740)]
PLACES = """() => Object.fromEntries(
  [...document.querySelectorAll('.logs > *, .log-tools > a, .log-tools > select, .log-search > *')]
    .filter((one) => one.getClientRects().length && !one.matches('.sr'))
    .map((one, at) => [`${at} ${one.id || one.className} ${one.dataset.step || ''}`, Object.values(one.getBoundingClientRect().toJSON()).map(Math.round).join(' ')]))"""
CONTROLS = """() => [...document.querySelectorAll('.log-filters .btn, .log-search :is(input:not([type=hidden]), select, .btn), .log-tools :is(.btn, select)')]
  .filter((one) => one.getClientRects().length).map((one) => { const { left, right, top, height } = one.getBoundingClientRect(); return [Math.round(left), Math.round(right), Math.round(top), Math.round(height)]; })"""


def hold(page: Page, script: str) -> list[Route]:
    """Requests for ``script``, which wait until somebody lets them go on."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(script, keep)
    return held


def opened(scene: Scene, width: int, height: int) -> tuple[Page, list[Any]]:
    """The page of a run that prints, and how its log lay before its scripts ran."""
    scene.run()
    scene.write(30)
    page = scene.context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.add_init_script(COUNT_SOCKETS)
    held = hold(page, "**/js/log.js")
    page.goto(f"/deployments/{scene.row.number}/", wait_until="commit")
    expect(page.locator("#step-apply-L30")).to_be_attached()
    page.wait_for_timeout(300)
    before = page.evaluate(PLACES)
    expect(page.get_by_role("button", name="Follow")).to_have_count(0)
    held[0].continue_()
    return page, [before]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_tools_of_a_log_move_nothing_when_they_come(scene: Scene, width: int, height: int) -> None:
    page, (before,) = opened(scene, width, height)
    expect(page.get_by_role("button", name="Follow")).to_be_visible()
    expect(page.get_by_label("Times", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    assert page.evaluate(PLACES) == before


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_tools_have_one_height_and_stand_in_rows_beside_each_other(scene: Scene, width: int, height: int) -> None:
    page, _ = opened(scene, width, height)
    expect(page.get_by_role("button", name="Follow")).to_be_visible()
    found = page.evaluate(CONTROLS)
    assert len(found) >= 11
    assert {one[3] for one in found} == {32}
    assert all(left >= 0 and right <= width for left, right, *_ in found)
    rows: dict[int, list[list[int]]] = {}
    for one in found:
        rows.setdefault(one[2], []).append(one)
    tops = sorted(rows)
    assert len(rows) <= {1280: 2, 1024: 4, 768: 2, 360: 6}[width]
    assert all(after - top >= 32 for top, after in pairwise(tops)), "rows, none of which lies over another"
    for row in rows.values():
        in_order = sorted(row)
        assert all(one[1] < other[0] for one, other in pairwise(in_order))
    field, button = page.locator("#log-words").bounding_box(), page.locator(".log-search .btn").bounding_box()
    assert field
    assert button
    assert field["y"] == button["y"], "what is typed and the button that sends it"


def test_without_scripts_no_tool_is_shown_that_does_nothing(scene: Scene) -> None:
    scene.run()
    scene.write(3)
    context = scene.context.browser.new_context(  # type: ignore[union-attr]
        base_url=f"http://127.0.0.1:{scene.port}",
        java_script_enabled=False,
        storage_state=scene.context.storage_state(),
    )
    page = context.new_page()
    page.goto(f"/deployments/{scene.row.number}/")
    names = page.locator(".log-tools > *:visible").all_inner_texts()
    context.close()
    assert [name.strip() for name in names] == ["Comment on a line", "Raw"]


def test_a_long_event_is_reached_with_the_wheel_and_stands_there_whole_when_it_is_clicked(scene: Scene) -> None:
    scene.run()
    scene.event("first " + "and a word more " * 20 + "last")
    for number in range(3):
        scene.event(f"Event {number}.")
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    text = page.locator(".event-list li", has_text="first and").locator(".event-text")
    text.scroll_into_view_if_needed()
    text.hover()
    page.mouse.wheel(0, 2_000)
    page.wait_for_timeout(300)
    rest = "(text) => text.scrollHeight - text.clientHeight - text.scrollTop"
    assert text.evaluate(rest) <= 1, "its last words are in sight"
    assert text.evaluate("(text) => text.scrollTop") > 30
    text.click()
    assert text.evaluate("(text) => text.scrollHeight === text.clientHeight")


def test_on_a_narrow_page_the_header_stays_as_high_when_its_time_is_written_short(scene: Scene) -> None:
    scene.run()
    fail(scene)
    page = scene.context.new_page()
    page.set_viewport_size({"width": 360, "height": 740})
    held = hold(page, "**/js/portal.js")
    page.goto(f"/deployments/{scene.row.number}/", wait_until="commit")
    head = page.locator("header.thing-head")
    expect(head).to_contain_text("UTC")
    before = head.bounding_box()
    held[0].continue_()
    expect(head).not_to_contain_text("UTC")
    assert head.bounding_box() == before
