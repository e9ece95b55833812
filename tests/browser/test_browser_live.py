"""What moves by itself: queue and headers when somebody else acts, a log across a restart, and what must not move."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browsing import SECONDS, Person
from tests.support.git import GitRepo
from tests.support.server import PortalServer

LINES = 60
PORTAL_YAML = f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps: [{{name: apply, run: 'for n in $(seq {LINES}); do echo "line $n"; sleep 0.1; done', timeout: 2m}}]
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
FILES = {"app/values.yaml": "replicas: 1\n", ".gitops/portal.yaml": PORTAL_YAML}
LOG = "() => [...document.querySelectorAll('.log-view .ll')].map((row) => row.textContent)"
LONG = SECONDS * 2000

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]


def proposed(portal: PortalServer, name: str, branch: str, title: str) -> int:
    """A change of alice in review."""
    body = {"repository": name, "title": title, "source_branch": branch}
    number: int = portal.api("alice").post("/changes/", body, status=201)["number"]
    portal.api("alice").until(f"/changes/{number}/", lambda change: bool(change["revisions"]))
    return number


def approve(portal: PortalServer, number: int, name: str = "bob") -> None:
    portal.api(name).post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"}, status=201)


def deployment_of(portal: PortalServer, number: int) -> int:
    """Merge an approved change; the number of its deployment."""
    portal.api("alice").post(f"/changes/{number}/merge/", status=202)
    rows = portal.api("alice").until(f"/deployments/?change={number}", lambda body: bool(body["results"]))
    found: int = rows["results"][0]["number"]
    return found


def stay(page: Page) -> None:
    """From here on the page may not be loaded again."""
    page.evaluate("window.neverLoadedAgain = true")


def grow(page: Page, lines: int) -> None:
    """From the next refresh on the head of the page has so many lines more."""

    def taller(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</h1>", "<br>·" * lines + "</h1>"))

    page.route("**/_header/", taller)


def test_queue_and_header_follow_what_others_do_and_typing_is_left_alone(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-header", FILES, live={"app/values.yaml": "replicas: 2\n"})
    alice, bob = arrives("alice"), arrives("bob")
    bob.page.mouse.move(5, 700)  # not over a list, whose rows would then wait
    stay(bob.page)
    number = proposed(portal, "live-header", "live", "Two replicas, live")
    portal.api("alice").post(f"/changes/{number}/assignments/", {"user": "bob"}, status=201)
    expect(bob.page.locator("#queue-updates")).to_contain_text("Two replicas, live", timeout=LONG)

    alice.page.goto(f"/changes/{number}/")
    alice.page.locator("#new-thread").click()
    alice.page.keyboard.type("Half a sent")
    alice.page.keyboard.press("ArrowLeft")
    stay(alice.page)
    portal.api("bob").post(f"/changes/{number}/threads/", {"body": "Why two?", "kind": "question"}, status=201)
    approve(portal, number)
    expect(alice.page.locator(".page-actions")).to_contain_text("Merge and deploy", timeout=LONG)
    expect(alice.page.locator("#threads")).to_contain_text("Why two?", timeout=LONG)
    assert alice.page.evaluate("[document.activeElement.id, document.activeElement.value, document.activeElement.selectionStart]") == [
        "new-thread", "Half a sent", len("Half a sen")
    ]  # fmt: skip
    assert alice.page.evaluate("window.neverLoadedAgain")
    assert bob.page.evaluate("window.neverLoadedAgain")


def test_what_has_the_focus_stays_in_sight_when_the_head_grows(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-focus", FILES, live={"app/values.yaml": "replicas: 2\n"})
    number = proposed(portal, "live-focus", "live", "A head that grows")
    page = arrives("alice").page
    page.goto(f"/changes/{number}/")
    kind = page.locator("#new-kind")
    bottom = kind.evaluate("(select) => select.getBoundingClientRect().bottom + scrollY")
    page.set_viewport_size({"width": 1280, "height": int(bottom) + 40})
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto", (
        "nobody waits for a glide"
    )
    kind.focus()
    assert page.evaluate("scrollY") == 0, "where nothing is scrolled, a browser holds nothing still by itself"
    grow(page, 20)
    stay(page)
    approve(portal, number)
    expect(page.locator("h1")).to_contain_text("·", timeout=LONG)
    expect(kind).to_be_focused()
    expect(kind).to_be_in_viewport()
    assert page.evaluate("scrollY") > 0
    page.evaluate("scrollTo(0, 0)")
    portal.api("bob").post(f"/changes/{number}/threads/", {"body": "Why two?", "kind": "question"}, status=201)
    expect(page.locator("#threads")).to_contain_text("Why two?", timeout=LONG)
    page.wait_for_timeout(1500)
    assert page.evaluate("scrollY") == 0, "who scrolled away is not taken back"


COVERED = """(link) => {
  const box = link.getBoundingClientRect(), top = document.elementFromPoint(box.left + 5, box.top + box.height / 2);
  return !link.contains(top);
}"""


def test_a_head_that_grows_does_not_cover_what_has_the_focus(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-cover", FILES, live={"app/values.yaml": "replicas: 2\n"})
    number = proposed(portal, "live-cover", "live", "A head that covers")
    page = arrives("alice").page
    page.set_viewport_size({"width": 1280, "height": 400})
    page.goto(f"/changes/{number}/")
    link = page.get_by_role("link", name="See the changes")
    link.focus()
    place = (
        "const box = link.getBoundingClientRect(), head = document.querySelector('.thing-head').getBoundingClientRect()"
    )
    link.evaluate(f"(link) => {{ {place}; scrollBy(0, box.top - head.bottom - 20); }}")
    assert page.evaluate("scrollY") > 0
    assert not link.evaluate(COVERED)
    grow(page, 8)
    stay(page)
    approve(portal, number)
    expect(page.locator("h1")).to_contain_text("·", timeout=LONG)
    page.wait_for_timeout(500)
    expect(link).to_be_focused()
    assert not link.evaluate(COVERED)


def test_rows_do_not_move_under_the_focus(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-rows", FILES, live={"app/values.yaml": "replicas: 2\n"})
    bob = arrives("bob")
    bob.page.keyboard.press("j")
    at = bob.page.evaluate("document.activeElement.href")
    number = proposed(portal, "live-rows", "live", "Arrives while bob reads")
    portal.api("alice").post(f"/changes/{number}/assignments/", {"user": "bob"}, status=201)
    bob.page.wait_for_timeout(2500)
    assert bob.page.evaluate("document.activeElement.href") == at
    assert bob.page.locator("#queue-updates").get_by_text("Arrives while bob reads").count() == 0
    bob.page.evaluate("document.activeElement.blur()")
    expect(bob.page.locator("#queue-updates")).to_contain_text("Arrives while bob reads", timeout=LONG)


def test_acceptance_15_a_log_across_a_restart_is_what_a_reload_shows_and_staleness_is_said(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-log", FILES, live={"app/values.yaml": "replicas: 2\n"})
    alice = arrives("alice")
    alice.complaints.expect(r"WebSocket|ERR_CONNECTION|Failed to fetch")
    number = proposed(portal, "live-log", "live", "A log across a restart")
    approve(portal, number)
    alice.page.goto(f"/deployments/{deployment_of(portal, number)}/")
    stay(alice.page)
    expect(alice.page.locator(".logs")).to_contain_text("line 5", timeout=LONG)

    portal.stop()
    expect(alice.page.locator("#freshness")).to_have_attribute("data-state", "lost", timeout=LONG)
    expect(alice.page.locator("#freshness")).to_contain_text(re.compile(r"state of \d\d:\d\d:\d\d"))
    assert alice.page.locator("html[data-stale]").count() == 1
    portal.serve()
    expect(alice.page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=LONG)
    expect(alice.page.locator("header.thing-head")).to_have_attribute(
        "data-status", re.compile("succeeded|failed|unknown"), timeout=LONG
    )
    alice.page.wait_for_timeout(1000)
    assert alice.page.evaluate("window.neverLoadedAgain")
    lived = alice.page.evaluate(LOG)
    alice.page.reload()
    assert lived == alice.page.evaluate(LOG)
    assert len(lived) == len(set(lived)), "no line twice"


def test_follow_stops_when_one_scrolls_up_and_says_what_came(
    arrives: Callable[..., Person], repository: Callable[..., GitRepo], portal: PortalServer
) -> None:
    repository("live-follow", FILES, live={"app/values.yaml": "replicas: 2\n"})
    alice = arrives("alice")
    number = proposed(portal, "live-follow", "live", "A log that is followed")
    approve(portal, number)
    alice.page.goto(f"/deployments/{deployment_of(portal, number)}/")
    view = alice.page.locator(".log-view").first
    expect(view).to_contain_text("line 35", timeout=LONG)
    assert view.evaluate("(v) => v.scrollHeight - v.scrollTop - v.clientHeight") < 30
    view.evaluate("(v) => { v.scrollTop = 0; }")
    expect(alice.page.locator(".log-more")).to_contain_text("new line", timeout=LONG)
    assert view.evaluate("(v) => v.scrollTop") == 0
    alice.page.keyboard.press("f")
    expect(view).to_contain_text(f"line {LINES}", timeout=LONG)
    expect(alice.page.locator(".log-more")).to_have_count(0)
