"""The keyboard on the pages as they are served: focus is always seen, and no key of the table acts on anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from apps.accounts.shortcuts import SHORTCUTS
from apps.demo.cast import PASSWORD
from tests.support.browsing import FOCUSED, Person
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
MAIN_PAGES = ["/queue/", "/changes/", "/changes/11/", "/changes/11/diff/", "/deployments/8/", "/settings/keyboard/"]
# The cells of the change column of one added and one removed row: what a person sees without any colour.
MARKS = """() => ['a', 'd'].map((kind) => {
  const cell = document.querySelector(`.dt tr.${kind} .m, .dt td.m.${kind}`), style = getComputedStyle(cell);
  const code = cell.nextElementSibling;
  return {sign: cell.textContent, border: style.borderLeftStyle, word: code.querySelector('.sr').textContent.trim()};
})"""


@pytest.mark.parametrize("address", MAIN_PAGES)
def test_acceptance_2_every_tab_stop_is_seen_and_under_no_bar(address: str, arrives: Callable[..., Person]) -> None:
    page = arrives("carol").page
    page.goto(address)
    hidden: list[str] = []
    stops = 0
    for key in ("Tab", "Shift+Tab"):
        for _ in range(200):
            page.keyboard.press(key)
            now = page.evaluate(FOCUSED)
            if now is None:
                break
            for _ in range(20):  # scrolling to it takes its time
                if not (now and now["hidden"]):
                    break
                page.wait_for_timeout(50)
                now = page.evaluate(FOCUSED)
            stops += 1
            if now and now["hidden"]:
                hidden.append(f"{key}: {now['tag']} {now['name'][:40]} {now['hidden']}")
    assert stops > 10
    assert not hidden, hidden


def test_acceptance_5_no_key_of_the_table_sends_anything_on_any_main_page(arrives: Callable[..., Person]) -> None:
    page = arrives("carol").page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method not in {"GET", "HEAD"} else None)
    for address in ("/queue/", "/changes/15/", "/changes/11/diff/", "/deployments/12/"):
        page.goto(address)
        page.evaluate("addEventListener('click', (event) => event.target.closest('a') && event.preventDefault(), true)")
        page.evaluate(
            "addEventListener('submit', (event) => event.target.method === 'get' && event.preventDefault(), true)"
        )
        for one in SHORTCUTS:
            if one.fixed or one.sends or one.id == "up":
                continue
            page.evaluate("document.activeElement.blur()")
            for key in one.keys.split():
                page.keyboard.press(key)
            page.keyboard.press("Escape")
    assert sent == []


def test_acceptance_26_added_and_removed_differ_without_any_colour(chromium: Browser, portal: PortalServer) -> None:
    person = Person(chromium, portal.url, "bob", PASSWORD)
    state = person.context.storage_state()
    person.leave()
    context = chromium.new_context(base_url=portal.url, storage_state=state, forced_colors="active")
    page = context.new_page()
    for view in ("unified", "split"):
        page.goto(f"/changes/11/diff/?view={view}")
        page.locator(".dt .m").first.wait_for()
        added, removed = page.evaluate(MARKS)
        assert added == {"sign": "+", "border": "solid", "word": "added"}, view
        assert removed == {"sign": "−", "border": "dashed", "word": "removed"}, view
        rows = [page.locator(f".dt tr.{kind} .m, .dt td.m.{kind}").first for kind in ("a", "d")]
        assert rows[0].screenshot() != rows[1].screenshot()
    context.close()
