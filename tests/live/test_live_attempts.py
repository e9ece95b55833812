"""A deployment is tried again while somebody looks at it: the open page ends as a reload of it would, in Chromium."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, Step
from tests.support.sockets import log_event
from tests.support.watching import IN_CHROMIUM, LINES, Scene, apart

pytestmark = IN_CHROMIUM
SHOWN = """() => {
  const words = (element) => element.innerText.replace(/\\s+|\\d\\d:\\d\\d/g, ' ').trim();
  const logs = document.querySelector('.logs'), { attempt, show } = logs.dataset;
  return {
    attempt, show,
    head: words(logs.querySelector('.section-head')),
    tools: [...logs.querySelectorAll('.log-bar a, .log-bar input, .log-bar option, .log-tools > *')]
      .map((one) => [one.tagName, one.innerText, one.value, one.getAttribute('href'), one.hidden, one.ariaPressed].join(' ')),
    found: words(logs.querySelector('#log-found')),
    logs: [...logs.querySelectorAll('details.log')].map((log) => [log.id, log.open, words(log)]),
    steps: words(document.querySelector('.step-nav')), links: [...document.querySelectorAll('.step-nav a')].map((one) => one.hash),
  };
}"""
"""What the page says of steps and log, and what can be done with it."""


def begin(scene: Scene, *names: str) -> None:
    """The worker begins with the second attempt, as it does: attempt, steps and event together."""
    scene.run_again()

    def write() -> None:
        attempt = Attempt.objects.get(deployment=scene.row, number=2)
        Step.objects.bulk_create(Step(attempt=attempt, position=at, name=name) for at, name in enumerate(names, 1))

    apart(write)
    told(scene, "Attempt 2 starts; staging is locked for it.")


def told(scene: Scene, text: str, status: str = "running") -> None:
    from django.db import transaction

    from apps.deployments.transitions import append_event

    def write() -> None:
        with transaction.atomic():
            append_event(scene.row, kind="state", text=text, attempt=2, data={"status": status})

    apart(write)


def line(scene: Scene, first: int, lines: int, **of: Any) -> None:
    apart(lambda: log_event(scene.row, first, lines, attempt=2, **of))


def fail(scene: Scene) -> None:
    """The first attempt has ended without success."""

    def write() -> None:
        Step.objects.filter(attempt__deployment=scene.row).update(status="failed", ended_at=now(), problem="It broke.")
        Attempt.objects.filter(deployment=scene.row).update(ended_at=now())
        Deployment.objects.filter(pk=scene.row.pk).update(status="failed", ended_at=now())

    apart(write)


def followed(scene: Scene) -> Page:
    """The page of a deployment whose first attempt has printed 30 lines and failed."""
    scene.run()
    scene.write(29)
    scene.write(1, text="Error: quota")
    fail(scene)
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    return page


def second() -> list[str]:
    return [f"step-apply-2-L{number}" for number in range(1, 41)]


def test_a_page_that_is_open_while_a_new_attempt_begins_ends_as_a_reload_of_it(scene: Scene) -> None:
    page = followed(scene)
    assert page.get_by_role("button", name="Notify me").count() == 0, "it has ended"
    page.get_by_role("searchbox", name="Words in the log").fill("quota")
    page.keyboard.press("Enter")
    expect(page.locator("#log-found li")).to_have_count(1)
    begin(scene, "verify", "tell")
    line(scene, 1, 20, text="second")
    expect(page.locator("#step-apply-2-L20")).to_be_attached(timeout=15_000)
    line(scene, 21, 20, text="second")
    expect(page.locator("#step-apply-2-L40")).to_be_attached()
    expect(page.locator(".step-nav")).to_contain_text("attempt 1 2")
    assert page.evaluate("opened.length") == 1, "nothing was loaded anew"
    assert page.evaluate(LINES) == second()
    open_page = page.evaluate(SHOWN)
    assert [name for name, *_ in open_page["logs"]] == ["step-apply-2", "step-verify-2", "step-tell-2"]
    page.reload()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    page.get_by_role("searchbox", name="Words in the log").fill("quota")
    assert page.evaluate(SHOWN) == open_page


def test_lines_that_come_while_the_new_log_is_fetched_are_there_once(scene: Scene) -> None:
    page = followed(scene)

    def slowly(route: Any) -> None:
        answer = route.fetch()
        line(scene, 21, 20, text="behind")
        page.wait_for_timeout(1_000)
        route.fulfill(response=answer)

    page.route("**/_logs/", slowly)
    begin(scene)
    line(scene, 1, 20, text="before")
    expect(page.locator("#step-apply-2-L40")).to_be_attached(timeout=15_000)
    assert page.evaluate(LINES) == second()


def test_who_reads_in_the_log_of_the_attempt_before_keeps_it_until_they_ask(scene: Scene) -> None:
    page = followed(scene)
    page.locator("#step-apply-L3 .ln").click()
    begin(scene)
    line(scene, 1, 40, text="second")
    button = page.get_by_role("button", name="Attempt 2 has begun – Show")
    expect(button).to_be_visible(timeout=15_000)
    page.wait_for_timeout(1_500)
    assert page.evaluate(LINES) == [f"step-apply-L{number}" for number in range(1, 31)]
    button.click()
    expect(page.locator("#step-apply-2-L40")).to_be_attached()
    expect(button).to_be_hidden()
    assert page.evaluate(LINES) == second()
    assert page.evaluate("location.hash") == "", "the line of the first attempt is not on this page any more"


def test_an_attempt_that_the_address_names_stays_the_one_that_is_shown(scene: Scene) -> None:
    page = followed(scene)
    page.goto(f"/deployments/{scene.row.number}/?attempt=1")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    begin(scene)
    line(scene, 1, 40, text="second")
    expect(page.locator(".step-nav")).to_contain_text("attempt 1 2", timeout=15_000)
    page.wait_for_timeout(500)
    open_page = page.evaluate(SHOWN)
    assert page.evaluate(LINES) == [f"step-apply-L{number}" for number in range(1, 31)]
    page.reload()
    assert page.evaluate(SHOWN)["steps"] == open_page["steps"]
    assert page.evaluate(SHOWN)["logs"] == open_page["logs"]


def test_before_a_step_of_the_new_attempt_is_known_links_lead_to_its_logs(scene: Scene) -> None:
    page = followed(scene)
    begin(scene)
    apart(lambda: Step.objects.filter(attempt__number=2).delete())
    page.reload()
    links = page.evaluate(SHOWN)["links"]
    assert "#step-apply-2" in links
    assert page.evaluate("(links) => links.every((one) => !one || document.querySelector(one))", links)
