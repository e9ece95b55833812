"""Lines of a log and events without a pointer: walked over, chosen, read whole, in Chromium."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.watching import IN_CHROMIUM, Scene

pytestmark = IN_CHROMIUM
PRESS = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}', bubbles: true }}));"
J, SHIFT_J = PRESS.format("j"), PRESS.format("J")


def test_lines_are_walked_over_and_chosen_with_keys(scene: Scene) -> None:
    scene.run()
    scene.write(120)
    page = scene.open()
    page.locator("#step-apply .log-view").focus()
    page.keyboard.press("Home")
    page.keyboard.press("j")
    expect(page.locator("#step-apply-L1 .ln")).to_be_focused()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    for name in ("j", "Shift+J", "Shift+J"):
        page.keyboard.press(name)
    expect(page.locator(".ll.sel")).to_have_count(3)
    expect(page.locator("#step-apply-L4 .ln")).to_be_focused()
    assert page.url.endswith("#step-apply-L2-L4")
    page.keyboard.press("Shift+K")
    expect(page.locator(".ll.sel")).to_have_count(2)
    expect(page.locator("#step-apply-L3 .ln")).to_be_focused()
    # Two presses before the browser has told that the address changed.
    page.locator("#step-apply-L3").evaluate(f"() => {{ {SHIFT_J} {SHIFT_J} }}")
    expect(page.locator(".ll.sel")).to_have_count(4)
    expect(page.locator("#step-apply-L5 .ln")).to_be_focused()
    page.locator("#step-apply-L3").evaluate(f"() => {{ {SHIFT_J} {J} }}")
    expect(page.locator(".ll.sel")).to_have_count(5)
    expect(page.locator("#step-apply-L7 .ln")).to_be_focused()
    page.keyboard.press("k")
    for _ in range(3):
        page.keyboard.press("Shift+K")
    expect(page.locator(".ll.sel")).to_have_count(2)
    page.keyboard.press("k")
    expect(page.locator("#step-apply-L2 .ln")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".ll.sel")).to_have_count(1)
    page.keyboard.press("l")
    assert page.url.endswith("#step-apply-L2")


def test_events_are_one_tab_stop_and_long_ones_are_read_whole_in_their_row(scene: Scene) -> None:
    scene.run()
    for number in range(4):
        scene.event(f"{number} " + "and a word more " * 20)
    page = scene.open()
    expect(page.locator(".events [tabindex='0']")).to_have_count(1)
    first = page.locator(".event-list li").first
    height = "(row) => row.querySelector('.event-text').clientHeight"
    assert first.evaluate(height) == 36
    first.focus()
    assert first.evaluate(height) > 72
    page.keyboard.press("j")
    expect(page.locator(".event-list li").nth(1)).to_be_focused()
    assert first.evaluate(height) == 36
