"""The log of a deployment in a real browser: it follows, it never jumps, and no broken connection costs a line."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

from django.db import connections
from playwright.sync_api import expect

from apps.repositories.services import remove_member
from tests.support.sockets import log_event
from tests.support.watching import IN_CHROMIUM, LINES, NO_SOCKETS, VIEW, Scene, apart, ids, wait_until

pytestmark = IN_CHROMIUM


def test_new_lines_are_followed_until_somebody_reads_further_up(scene: Scene):
    scene.write(300)
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    expect(page.locator("#freshness")).to_contain_text("Live · event")
    scene.write(50)
    expect(page.locator(".ll")).to_have_count(350)
    assert page.evaluate(f"{VIEW}.scrollHeight - {VIEW}.scrollTop - {VIEW}.clientHeight") < 24
    page.evaluate(f"{VIEW}.scrollTop = 1000")
    page.wait_for_timeout(100)
    scene.write(20)
    button = page.get_by_role("button", name="20 new lines")
    expect(button).to_be_visible()
    assert page.evaluate(f"{VIEW}.scrollTop") == 1000, "what is being read does not move"
    button.click()
    assert page.evaluate(f"{VIEW}.scrollHeight - {VIEW}.scrollTop - {VIEW}.clientHeight") < 24
    expect(button).to_be_hidden()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Home")
    assert page.evaluate(f"{VIEW}.scrollTop") == 0


SHOWN_WHOLE = 1_900
"""Lines up to which a reloaded page has no gap in the middle, however slow this machine is."""


def test_acceptance_14_twenty_lost_connections_leave_the_same_log_as_a_reload(scene: Scene):
    page = scene.open()
    stop = threading.Event()

    def write() -> None:
        first = 1
        while not stop.is_set() and first < SHOWN_WHOLE:
            size = first % 5 + 1
            log_event(scene.row, first, size)
            first += size
            scene.lines = first - 1
            time.sleep(0.03)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    for killed in range(1, 21):
        wait_until(page, f"opened.length >= {killed} && opened.at(-1).readyState === 1")
        page.evaluate("opened.at(-1).close()")
    stop.set()
    writer.join()
    wait_until(page, f"document.querySelectorAll('.ll').length >= {scene.lines}")
    assert page.evaluate("opened.length") >= 20
    assert page.evaluate(LINES) == ids(1, scene.lines)
    before = page.locator(".log-view .ll").all_inner_texts()
    page.reload()
    assert page.evaluate(LINES) == ids(1, scene.lines)
    assert page.locator(".log-view .ll").all_inner_texts() == before


def test_without_sockets_the_page_asks_every_few_seconds(scene: Scene):
    scene.write(3)
    page = scene.open(NO_SOCKETS)
    expect(page.locator("#freshness")).to_contain_text("state of")
    scene.write(4)
    expect(page.locator(".ll")).to_have_count(7, timeout=20_000)
    scene.write(2)
    expect(page.locator(".ll")).to_have_count(9, timeout=20_000)
    assert page.evaluate(LINES) == ids(1, 9)


def test_a_page_that_asks_does_not_pause_between_answers_that_are_full(scene: Scene):
    page = scene.open(NO_SOCKETS)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=20_000)
    asked: list[float] = []
    page.on("request", lambda request: asked.append(time.monotonic()) if "after=" in request.url else None)
    for _ in range(12):
        scene.write(200, text="y" * 300)  # 60 KB each: an answer ends after 256
    expect(page.locator(f"#step-apply-L{12 * 200}")).to_be_attached(timeout=60_000)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert any(pause < 3 for pause in pauses), f"five seconds between two answers although the first was full: {pauses}"


def test_a_lost_role_is_told_and_nothing_is_called_live_any_more(scene: Scene):
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    people, repository = scene.delivery.people, scene.delivery.repository
    apart(lambda: remove_member(people.carol, repository=repository, member="alice"))
    expect(page.get_by_role("alert")).to_contain_text("your access has changed")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "lost")
    scene.write(3, text="not for alice")
    page.wait_for_timeout(1500)
    assert page.locator(".ll").count() == 0


def test_a_link_to_a_line_in_the_gap_brings_it_and_marks_it(scene: Scene):
    for _ in range(10):
        scene.write(500)
    page = scene.open()
    page.goto(f"/deployments/{scene.row.number}/#step-apply-L1500-L1502")
    expect(page.locator("#step-apply-L1500")).to_be_visible()
    wait_until(page, "document.querySelectorAll('.ll.sel').length === 3")
    assert page.evaluate("document.activeElement.hash") == "#step-apply-L1500"
    gaps = page.evaluate("[...document.querySelectorAll('#step-apply .log-gap a')].map((link) => link.search)")
    assert [gap.split("attempt=1&")[1] for gap in gaps] == ["from=101&to=499", "from=2500&to=3000"]
    assert page.evaluate(LINES) == [*ids(1, 100), *ids(500, 2499), *ids(3001, 5000)]


def test_lines_are_chosen_by_click_and_shift_click_and_their_link_is_copied(scene: Scene):
    scene.write(40)
    scene.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = scene.open()
    page.locator("#step-apply-L12 .ln").click()
    assert page.evaluate("location.hash") == "#step-apply-L12"
    page.locator("#step-apply-L18 .ln").click(modifiers=["Shift"])
    assert page.evaluate("location.hash") == "#step-apply-L12-L18"
    expect(page.locator(".ll.sel")).to_have_count(7)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith(
        f"/deployments/{scene.row.number}/?attempt=1#step-apply-L12-L18"
    )


def test_what_a_search_finds_in_the_gap_is_loaded_and_marked(scene: Scene):
    for _ in range(10):
        scene.write(500)
    page = scene.open()
    page.get_by_role("searchbox", name="Words in the log").fill("LINE 1777")
    page.keyboard.press("Enter")
    expect(page.locator("#log-found")).to_contain_text("1 line has")
    page.locator("#log-found").get_by_role("link", name="1777").click()
    expect(page.locator("#step-apply-L1777")).to_have_class("ll sel")
    assert page.evaluate("document.activeElement.hash") == "#step-apply-L1777"
    assert "?" not in page.url, "nothing was loaded anew"


def test_a_filter_holds_for_lines_that_come_later_and_a_link_leads_out_of_it(scene: Scene):
    scene.write(30)
    scene.write(2, text="error")
    page = scene.open()
    page.get_by_role("link", name="Errors", exact=True).click()
    expect(page.locator(".ll:visible")).to_have_count(2)
    scene.write(3, text="fine")
    scene.write(1, text="fatal")
    expect(page.locator(".ll:visible")).to_have_count(3)
    page.evaluate("location.hash = '#step-apply-L7'")
    expect(page.locator("#step-apply-L7")).to_have_class("ll sel")


def test_times_are_shown_as_somebody_wants_them_and_it_is_remembered(scene: Scene):
    scene.write(5)
    page = scene.open()
    clock = page.locator("#step-apply-L1 .lt")
    utc = clock.inner_text()
    page.get_by_label("Times").select_option("elapsed")
    expect(clock).to_have_text("+00:00:00")
    scene.write(1)
    expect(page.locator("#step-apply-L6 .lt")).to_contain_text("+00:0")
    page.reload()
    expect(clock).to_have_text("+00:00:00")
    page.get_by_label("Times").select_option("off")
    expect(clock).to_be_hidden()
    page.get_by_label("Times").select_option("utc")
    expect(clock).to_have_text(utc)
