"""The page of a difference while others act, across revisions, in the history of the browser and behind the sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from apps.demo.cast import PASSWORD
from tests.support.browsing import SECONDS, Person
from tests.support.git import GitRepo
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
LONG = SECONDS * 1000
NOTICES = 200
ODD = "p\u0430y\u200b.yaml"  # a Cyrillic letter and a space of no width
BEFORE = {f"app/f{n}.yaml": "".join(f"key{line}: {n}\n" for line in range(80)) for n in range(4)}
AFTER = {path: text.replace("key20:", "key20: new-").replace("key60:", "other60:") for path, text in BEFORE.items()}
SHIFTS = """() => {
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.shifted.push([one.value, ...one.sources.map(({ node }) => node?.outerHTML?.slice(0, 120) || '')]);
  }).observe({ type: 'layout-shift' });
}"""
STATE = """() => {
  const one = document.activeElement;
  return [one.id, one.value, one.selectionStart, one.selectionEnd, Math.round(one.getBoundingClientRect().top)];
}"""


class Reading:
    """One change of alice, with more revisions as she pushes."""

    def __init__(self, portal: PortalServer, work: GitRepo, number: int) -> None:
        self.portal, self.work, self.number = portal, work, number

    @property
    def url(self) -> str:
        return f"/changes/{self.number}/"

    def push(self, files: dict[str, str], revisions: int) -> None:
        self.work.commit("More for alice", files=files)
        self.work.push()
        self.portal.api("alice").until(self.url, lambda change: len(change["revisions"]) == revisions)


@pytest.fixture
def reading(repository: Callable[..., GitRepo], portal: PortalServer, request: pytest.FixtureRequest) -> Reading:
    name = re.sub(r"\W|_", "-", request.node.name)[:40].strip("-")
    work = repository(name, BEFORE, edits={**AFTER, ODD: "a: 1\nb: 2\n"})
    body = {"repository": name, "title": "Read me", "source_branch": "edits"}
    number: int = portal.api("alice").post("/changes/", body, status=201)["number"]
    portal.api("alice").until(f"/changes/{number}/", lambda change: bool(change["revisions"]))
    return Reading(portal, work, number)


def open_composer(page: Page, row: str = "tr.a") -> None:
    page.locator(".df[data-state=open]").nth(1).locator(row).first.locator(".n a").last.click()
    expect(page.locator("#line-body")).to_be_focused()


def test_acceptance_12_two_hundred_live_updates_move_nothing(arrives: Callable[..., Person], reading: Reading) -> None:
    bob = arrives("bob")
    sockets: list[WebSocketRoute] = []

    def keep(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    bob.page.route_web_socket(re.compile(r"/ws/changes/"), keep)
    bob.page.goto(f"{reading.url}diff/")
    open_composer(bob.page)
    bob.page.keyboard.type("Half a sentence")
    bob.page.keyboard.press("Shift+ArrowLeft")
    expect(bob.page.locator("#line-comment [data-saved]")).to_have_text("Draft saved", timeout=LONG)
    bob.page.wait_for_timeout(1_000)  # and what loads by itself is there
    bob.page.evaluate(SHIFTS)
    before = bob.page.evaluate(STATE)
    alice = reading.portal.api("alice")
    for number in range(NOTICES):
        if number % 50 == 0:
            alice.post(
                f"{reading.url}threads/", {"body": f"Word {number}", "path": "app/f1.yaml", "line": 21}, status=201
            )
        sockets[-1].send('{"type": "change"}')
        bob.page.wait_for_timeout(10)
    expect(bob.page.locator("#diff-threads")).to_contain_text("4 ", timeout=LONG)
    bob.page.wait_for_timeout(1_000)
    assert bob.page.evaluate(STATE) == before
    assert before[1:4] == ["Half a sentence", 14, 15]
    assert bob.page.evaluate("window.shifted") == []
    offer = bob.page.get_by_role("button", name=re.compile("new threads? here: show"))
    if offer.count():  # what would have moved what is in sight waits for a wish
        offer.click()
    expect(bob.page.locator(".df .thread[data-thread]")).to_have_count(4)


def test_acceptance_29_and_24_a_moved_head_keeps_the_words_and_the_key_i_shows_what_moved(
    arrives: Callable[..., Person], reading: Reading
) -> None:
    bob = arrives("bob")
    page = bob.page
    reading.portal.api("bob").post(
        f"{reading.url}reviews/", {"revision": 1, "verdict": "comment", "body": "Read."}, status=201
    )
    page.goto(f"{reading.url}diff/")
    page.locator("#review details").first.evaluate("(one) => { one.open = true; }")
    page.get_by_label("What you want to say").fill("These are my words")
    reading.push({"app/f3.yaml": AFTER["app/f3.yaml"] + "late: 1\n"}, revisions=2)
    page.get_by_label("Approve this content").check()
    bob.complaints.expect("409")
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/reviews/" in answer.url) as sent:
        page.get_by_role("button", name=re.compile("Submit review")).click()
    assert sent.value.status == 409
    expect(page.get_by_role("alert").first).to_contain_text("r2 arrived")
    assert page.get_by_label("What you want to say").input_value() == "These are my words"
    page.get_by_role("link", name="See what changed from r1 to r2").click()
    expect(page.locator(".df")).to_have_count(1)

    page.goto(f"{reading.url}diff/")
    expect(page.locator("[data-key=since-review]")).to_be_visible(timeout=LONG)
    page.locator("h1").first.click()
    page.keyboard.press("i")
    page.wait_for_url(re.compile(r"from=mine"), timeout=LONG)
    expect(page.locator(".df")).to_have_count(1)
    expect(page.locator(".df tr.a")).to_contain_text("late: 1")
    page.keyboard.press("r")
    page.wait_for_url(re.compile(r"compared=r1"), timeout=LONG)
    assert page.locator("#review-form [name=compared]").input_value() == "r1"


def test_acceptance_38_and_39_back_forward_and_a_new_tab_give_full_pages_with_the_same_look(
    arrives: Callable[..., Person], reading: Reading
) -> None:
    bob = arrives("bob")
    page = bob.page
    page.goto(f"{reading.url}diff/")
    for name, value in (("density", "compact"), ("diff", "cb")):
        page.locator("details.menu", has_text="Display").evaluate("(one) => { one.open = true; }")
        with page.expect_response(lambda answer: "/preferences/" in answer.url):
            page.locator(f"[data-display] button[name={name}][value={value}]").click()
    asked = [
        f"{reading.url}diff/?view=split&from=base&to=r1",
        f"{reading.url}diff/?view=unified&q=new-",
        f"{reading.url}_diff/find/?q=new-",
        "/changes/?q=state%3Aopen",
        "/queue/",
    ]
    page.context.add_init_script(
        "new MutationObserver((all) => { window.flashed = all.map((one) => one.attributeName); })"
        ".observe(document, { attributes: true, subtree: true, attributeFilter: ['data-diff', 'data-density', 'data-bs-theme'] })"
    )
    for address in asked:
        page.goto(address)
    for address in reversed(asked[:-1]):
        page.go_back()
        whole(page, address)
    page.go_forward()
    whole(page, asked[1])
    page.reload()
    whole(page, asked[1])
    tab = page.context.new_page()
    for address in asked:
        with tab.expect_response(lambda answer: answer.request.resource_type == "document") as first:
            tab.goto(address)
        html = first.value.text().split("<head>")[0]
        assert 'data-diff="cb"' in html, "the first bytes carry the look"
        assert 'data-density="compact"' in html
        whole(tab, address)
        assert tab.evaluate("window.flashed || []") == []
    tab.close()


def whole(page: Page, address: str) -> None:
    """The full page of this address, with what was asked for in its fields."""
    assert page.url.endswith(address), page.url
    expect(page.locator("nav").first).to_be_attached()
    assert page.locator("html > head > title").count() == 1
    assert page.locator("main h1, header h1").count() >= 1
    if "q=new-" in address:
        expect(page.locator("main input[name=q]").first).to_have_value("new-")
    if "view=split" in address:
        expect(page.locator("[data-diff-view=split]")).to_have_attribute("aria-current", "true")


def test_acceptance_10_rows_that_come_late_come_and_the_form_is_used_meanwhile(
    arrives: Callable[..., Person], reading: Reading
) -> None:
    page = arrives("bob").page
    late: list[Route] = []
    page.route("**/_diff/**", lambda route: late.append(route))  # noqa: PLW0108  # a builtin is no handler
    page.goto(f"{reading.url}diff/", wait_until="domcontentloaded")
    page.locator("#review details").first.evaluate("(one) => { one.open = true; }")
    page.get_by_label("What you want to say").fill("Typed while rows are late")
    page.wait_for_timeout(500)
    assert late, "something is still to come"
    page.unroute("**/_diff/**")
    page.get_by_label("Only comment").check()
    expect(page.locator(".df[data-state=load]")).to_have_count(0, timeout=LONG)
    assert page.get_by_label("What you want to say").input_value() == "Typed while rows are late"


def test_a_line_named_in_the_address_is_reached_through_the_sign_in(
    chromium: Browser, portal: PortalServer, arrives: Callable[..., Person], reading: Reading
) -> None:
    bob = arrives("bob")
    bob.page.goto(f"{reading.url}diff/")
    anchor: str = bob.page.locator(".df tr.a .n a").last.get_attribute("href") or ""
    stranger = chromium.new_context(base_url=portal.url)
    page = stranger.new_page()
    page.goto(f"{reading.url}diff/{anchor}")
    page.get_by_label("Username or e-mail").fill("bob")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(re.escape(anchor) + "$"), timeout=LONG)
    expect(page.locator("tr.at")).to_be_in_viewport(timeout=LONG)
    assert page.evaluate("document.activeElement.hash") == anchor
    stranger.close()


def test_a_comment_on_a_file_with_a_name_of_tokens_and_its_history_reach_that_file(
    arrives: Callable[..., Person], reading: Reading
) -> None:
    page = arrives("bob").page
    page.goto(f"{reading.url}diff/")
    section = page.locator(".df", has=page.locator("h3 .inv"))
    section.locator("tr.a .n a").last.click()
    page.keyboard.type("Who is that?")
    page.get_by_role("button", name="Comment now").click()
    expect(section.locator(".thread")).to_contain_text("Who is that?", timeout=LONG)
    found: Any = reading.portal.api("bob").get(f"{reading.url}threads/")
    assert [row["path"] for row in found["results"]] == [ODD]
    section.get_by_role("link", name="Blame").click()
    expect(page.locator("main")).to_contain_text("b: 2")
