"""Lines of a log as places, in Chromium: their addresses hold after a retry, and over what is not on the page yet."""

from __future__ import annotations

from playwright.sync_api import expect

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, Step
from tests.support.sockets import log_event
from tests.support.watching import IN_CHROMIUM, Scene, apart, wait_until

pytestmark = IN_CHROMIUM


def retried(scene: Scene) -> None:
    """The first attempt printed 40 lines and failed; the second one has printed 7."""
    scene.run()
    scene.write(40)

    def again() -> None:
        Step.objects.filter(name="apply").update(status="failed", ended_at=now(), lines=40)
        Attempt.objects.update(outcome="failed", ended_at=now())
        attempt = Attempt.objects.create(deployment=scene.row, number=2, key="k2", started_at=now())
        Step.objects.create(attempt=attempt, position=0, name="apply", status="running", launched_at=now())
        Deployment.objects.update(attempts=2)
        log_event(scene.row, 1, 7, attempt=2)

    apart(again)


def test_a_link_to_a_line_of_the_first_attempt_holds_after_a_retry(scene: Scene):
    retried(scene)
    page = scene.open()
    page.goto("about:blank")
    page.goto(f"/deployments/{scene.row.number}/#step-apply-L12-L14")
    expect(page.locator("#step-apply-L12")).to_have_class("ll sel")
    expect(page.locator(".ll.sel")).to_have_count(3)
    assert page.url.endswith(f"/deployments/{scene.row.number}/?attempt=1#step-apply-L12-L14")
    page.evaluate("location.hash = '#step-apply-2-L5'")
    expect(page.locator("#step-apply-2-L5")).to_have_class("ll sel")
    assert page.url.endswith("?attempt=2#step-apply-2-L5")


def test_a_line_that_is_nowhere_is_told_and_looked_for_once(scene: Scene):
    retried(scene)
    page = scene.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.is_navigation_request() else None)
    for hash_, words in {
        "step-apply-2-L8": "Line 8 has not arrived on this page yet.",
        "step-apply-3-L1": "Line 1 is not in this log of attempt 3.",
        "step-apply-L41": "Line 41 is not in this log.",
        "step-other-L1": "Line 1 is not in this log.",
    }.items():
        page.evaluate(f"location.hash = '#{hash_}'")
        expect(page.locator("#log-found")).to_have_text(words)
    assert [one.partition("?")[2] for one in asked] == ["attempt=3", "attempt=1"]
    page.evaluate("location.hash = '#step-apply-L3'")
    expect(page.locator("#step-apply-L3")).to_have_class("ll sel")
    expect(page.locator("#log-found")).to_have_text("")


def test_both_ends_of_a_range_that_crosses_into_a_gap_are_brought(scene: Scene):
    for _ in range(16):
        scene.write(500)
    page = scene.open()
    page.goto(f"/deployments/{scene.row.number}/#step-apply-L90-L120")
    wait_until(page, "document.querySelectorAll('.ll.sel').length === 31")
    page.evaluate("location.hash = '#step-apply-L3200-L5000'")
    wait_until(page, "document.querySelectorAll('.ll.sel').length === 1801")
    assert page.evaluate("document.activeElement.hash") == "#step-apply-L3200"
    page.evaluate("location.hash = '#step-apply-L7995-L9000'")
    wait_until(page, "document.querySelectorAll('.ll.sel').length === 6")
    expect(page.locator("#log-found")).to_have_text("")


IN_SIGHT = """(() => {
  const row = document.querySelector('#step-apply-L1240').getBoundingClientRect();
  const view = document.querySelector('#step-apply .log-view').getBoundingClientRect();
  return row.top >= view.top && row.bottom <= view.bottom;
})()"""


def failed(scene: Scene) -> None:
    """``apply`` printed 5,000 lines, of which 1,240 is an error, and failed; a runbook is for it."""
    scene.run()
    for size, text in (
        (500, "line"),
        (739, "line"),
        (1, "Error: quota exceeded at"),
        (260, "line"),
        *[(500, "line")] * 7,
    ):
        scene.write(size, text=text)

    def end() -> None:
        Step.objects.filter(name="apply").update(
            status="failed", ended_at=now(), lines=5000, problem="It exited with 1."
        )
        Attempt.objects.update(outcome="failed", ended_at=now())
        Deployment.objects.filter(pk=scene.row.pk).update(status="failed", ended_at=now(), problem="Step apply failed.")

    apart(end)


def test_a_step_that_failed_opens_itself_at_its_first_error_with_the_runbook_for_it(scene: Scene):
    failed(scene)
    page = scene.open()
    expect(page.locator("#step-apply-L1240")).to_contain_text("Error: quota exceeded")
    wait_until(page, IN_SIGHT)
    assert page.evaluate("scrollY") == 0, "the header, which says what happened, stays in sight"
    expect(page.locator("#step-apply-L1240").get_by_role("link", name="Runbook: Raise the quota")).to_be_visible()
    zone = page.get_by_text("Times of lines in UTC")
    expect(zone).to_be_visible()
    page.get_by_label("Times", exact=True).select_option("elapsed")
    expect(zone).to_be_hidden()
    page.set_viewport_size({"width": 360, "height": 700})
    expect(page.get_by_text("approved by @bob")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360, "what the header tells wraps"
    page.set_viewport_size({"width": 1200, "height": 700})
    page.goto("about:blank")
    page.goto(f"/deployments/{scene.row.number}/#step-apply-L4990")
    expect(page.locator("#step-apply-L4990")).to_have_class("ll sel")
    assert page.evaluate(IN_SIGHT) is False, "who asks for another line gets that one"
