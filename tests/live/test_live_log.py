"""The log of a deployment beyond its lines: attempts that follow each other, the cap over all steps, and what is called an error."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from apps.deployments.models import Deployment
from tests.support.sockets import log_event
from tests.support.watching import COUNT_SOCKETS, IN_CHROMIUM, LINES, Scene, apart, wait_until

pytestmark = IN_CHROMIUM
CAP = 3_000
COUNT = "document.querySelectorAll('.log-view .ll').length"
ANNOUNCED = """() => {
  window.announced = [];
  new MutationObserver(() => window.announced.push(document.getElementById('live').textContent))
    .observe(document.getElementById('live'), { childList: true, characterData: true, subtree: true });
}"""
KNOWN = """(step) => {
  const log = document.getElementById(step), known = [];
  for (const one of log.querySelectorAll('.ll, .log-gap a')) {
    if (one.matches('.ll')) { known.push(Number(/\\d+$/.exec(one.id)[0])); continue; }
    const of = new URL(one.href).searchParams;
    for (let line = Number(of.get('from')); line <= Number(of.get('to')); line += 1) known.push(line);
  }
  return known;
}"""
"""The numbers of all lines of a step in their order on the page, shown or in a gap that has a link."""


def open_with_cap(scene: Scene) -> Page:
    """The page of the scene's deployment, which has its cap at fewer rows."""

    def smaller(route: Route) -> None:
        answer = route.fetch()
        assert "CAP = 20000" in answer.text()
        route.fulfill(response=answer, body=answer.text().replace("CAP = 20000", f"CAP = {CAP}"))

    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.add_init_script(COUNT_SOCKETS)
    page.route(
        "**/js/log*.js", lambda route: smaller(route) if "log_lines" not in route.request.url else route.continue_()
    )
    page.goto(f"/deployments/{scene.row.number}/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    return page


def test_an_older_attempt_is_live_around_its_log_and_takes_no_lines_of_another(scene: Scene) -> None:
    scene.run()
    scene.write(30)
    scene.run_again()
    page = scene.open()
    page.goto(f"/deployments/{scene.row.number}/?attempt=1")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    apart(lambda: log_event(scene.row, 1, 5, text="second", attempt=2))
    apart(lambda: Deployment.objects.filter(pk=scene.row.pk).update(status="succeeded"))
    scene.event("It succeeded.", status="succeeded")
    expect(page.locator("header.thing-head")).to_have_attribute("data-status", "succeeded", timeout=15_000)
    page.wait_for_timeout(500)
    assert page.evaluate(LINES) == [f"step-apply-L{number}" for number in range(1, 31)]


def test_after_a_retry_search_and_raw_are_of_the_new_attempt(scene: Scene) -> None:
    scene.run()
    scene.write(3)
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    scene.run_again()
    apart(lambda: log_event(scene.row, 1, 40, text="second", attempt=2))
    expect(page.locator("#step-apply-2-L40")).to_be_attached()
    assert page.get_by_role("link", name="Raw").get_attribute("href").endswith("/log/?attempt=2")
    assert "attempt=2" in page.get_by_role("link", name="Comment on a line").get_attribute("href")
    page.get_by_role("searchbox", name="Words in the log").fill("SECOND 7")
    page.keyboard.press("Enter")
    page.locator("#log-found").get_by_role("link", name="7", exact=True).click()
    expect(page.locator("#step-apply-2-L7")).to_have_class("ll sel")
    assert page.evaluate("opened.length") == 1, "nothing was loaded anew"


def test_the_cap_is_over_all_steps_and_a_link_brings_back_what_was_cut(scene: Scene) -> None:
    scene.run()
    page = open_with_cap(scene)
    for first in range(1, 2_000, 500):
        for step in ("apply", "verify"):
            apart(lambda first=first, step=step: log_event(scene.row, first, 500, step=step))
    for step in ("apply", "verify"):
        wait_until(page, f"document.getElementById('step-{step}-L2000')")
        assert page.evaluate(KNOWN, f"step-{step}") == list(range(1, 2_001))
    assert page.evaluate(COUNT) <= CAP
    gap = page.locator("#step-verify .log-gap a")
    expect(gap).to_have_count(1)
    gap.click()
    expect(page.locator("#step-verify-L501")).to_be_attached()
    wait_until(page, f"{COUNT} <= {CAP}")
    expect(page.locator("#step-verify-L501")).to_be_in_viewport()
    for step in ("apply", "verify"):
        assert page.evaluate(KNOWN, f"step-{step}") == list(range(1, 2_001)), "each line once, shown or behind a link"


def test_lines_of_a_gap_keep_the_cap_and_stand_where_they_were_asked_for(scene: Scene) -> None:
    scene.run()
    for _ in range(10):
        scene.write(500)
    page = open_with_cap(scene)
    for _ in range(2):
        gap = page.locator("#step-apply .log-gap a").first
        first = int(gap.evaluate("(link) => new URL(link.href).searchParams.get('from')"))
        gap.click()
        expect(page.locator(f"#step-apply-L{first}")).to_be_in_viewport()
        page.wait_for_timeout(300)
        assert page.evaluate(COUNT) <= CAP
        expect(page.locator(f"#step-apply-L{first}")).to_be_in_viewport()
        assert page.evaluate(KNOWN, "step-apply") == list(range(1, 5_001))
    scene.write(700)
    expect(page.locator(".log-more")).to_contain_text("700 new lines")
    expect(page.locator(f"#step-apply-L{first}")).to_be_in_viewport()
    assert page.evaluate(COUNT) <= CAP
    page.evaluate("location.hash = '#step-apply-L2500'")
    expect(page.locator("#step-apply-L2500")).to_have_class("ll sel")
    page.wait_for_timeout(300)
    expect(page.locator("#step-apply-L2500")).to_be_in_viewport()
    assert page.evaluate(KNOWN, "step-apply") == list(range(1, 5_701))


def test_what_only_reads_like_the_class_of_an_error_is_announced_as_none(scene: Scene) -> None:
    scene.run()
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    page.evaluate(ANNOUNCED)
    scene.write(2, text='pull-external done <div class="ll ll-e"')
    apart(lambda: log_event(scene.row, 1, 2, step="install-edge"))
    expect(page.locator("#step-install-edge-L2")).to_be_attached()
    scene.write(1, text="error")
    wait_until(page, "window.announced.some((text) => text.includes('An error in step apply, line 3.'))")
    assert not page.evaluate("window.announced.some((text) => text.includes('install-edge'))")
    assert page.evaluate("window.announced.filter((text) => text.includes('An error')).length") == 1


def test_next_error_puts_its_link_into_the_address_and_that_is_what_is_copied(scene: Scene) -> None:
    scene.write(20)
    scene.write(1, text="error")
    scene.write(20)
    scene.write(1, text="fatal")
    scene.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = scene.open()
    page.locator("#step-apply-L3 .ln").click()
    before = page.evaluate("history.length")
    for line in (21, 42, 21):
        page.keyboard.press("E")
        wait_until(page, f"location.hash === '#step-apply-L{line}'")
        expect(page.locator(".ll.sel")).to_have_attribute("id", f"step-apply-L{line}")
        page.keyboard.press("l")
        wait_until(page, "document.querySelector('.log-line-tools button')?.textContent === 'Copied'")
        assert page.evaluate("navigator.clipboard.readText()").endswith(f"#step-apply-L{line}")
    assert page.evaluate("history.length") == before
