"""What only confirms an own act lies over the page and leaves by itself; what says that something is wrong stays. In Chromium."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.support.watching import IN_CHROMIUM, Scene

pytestmark = IN_CHROMIUM
TOAST = ".toasts > .alert-box"


def cancelled(scene: Scene, width: int = 1200) -> tuple[Page, Locator]:
    """The page of a deployment that this person has cancelled just now; its clock is ours."""
    page = scene.context.new_page()
    page.set_viewport_size({"width": width, "height": 740})
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.clock.install()
    page.goto(f"/deployments/{scene.row.number}/cancel/")
    page.get_by_role("button", name=f"Cancel {scene.row.label}").click()
    expect(page).to_have_url(f"{page.url.split('/deployments')[0]}/deployments/{scene.row.number}/")
    expect(page.locator(TOAST)).to_have_count(1)
    return page, page.locator(TOAST)


def test_a_confirmation_leaves_by_itself_and_moves_nothing(scene: Scene) -> None:
    page, toast = cancelled(scene)
    expect(page.locator("#live")).to_contain_text("You asked to cancel")
    before = page.locator("header.thing-head").bounding_box()
    page.clock.fast_forward(9_000)
    expect(toast).to_be_visible()
    page.clock.fast_forward(1_500)
    expect(toast).to_have_count(0)
    assert page.locator("header.thing-head").bounding_box() == before


def test_it_stays_under_the_pointer_and_with_the_focus_and_leaves_afterwards(scene: Scene) -> None:
    page, toast = cancelled(scene)
    toast.hover()
    page.clock.fast_forward(60_000)
    expect(toast).to_be_visible()
    toast.get_by_role("button", name="Dismiss this message").focus()
    page.mouse.move(5, 5)
    page.clock.fast_forward(60_000)
    expect(toast).to_be_visible()
    page.locator("#main").focus()
    page.clock.fast_forward(11_000)
    expect(toast).to_have_count(0)


def test_it_is_closed_by_keyboard_and_the_focus_is_not_lost(scene: Scene) -> None:
    page, toast = cancelled(scene, 360)
    box = toast.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    for _ in range(30):
        page.keyboard.press("Tab")
        if toast.evaluate("(box) => box.contains(document.activeElement)"):
            break
    page.keyboard.press("Enter")
    expect(toast).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "main"


def test_without_scripts_it_stands_in_the_page_and_stays(scene: Scene) -> None:
    browser = scene.context.browser
    assert browser
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{scene.port}",
        java_script_enabled=False,
        storage_state=scene.context.storage_state(),
    )
    page = context.new_page()
    page.goto(f"/deployments/{scene.row.number}/cancel/")
    page.get_by_role("button", name=f"Cancel {scene.row.label}").click()
    found = page.locator(TOAST)
    place = found.evaluate("(box) => getComputedStyle(box.parentElement).position")
    expect(found).to_be_visible()
    context.close()
    assert place == "static"
