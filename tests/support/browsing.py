"""People at a browser: with the mouse, by keyboard alone, and with JavaScript off.

Each way has the same few verbs, so that one story is told three times. Whatever a page complains about while
somebody uses it (console, policy, a server error, a request to another host) is collected and must be nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Response, expect

SECONDS = 30.0
MOST_TABS = 150
WATCH_POLICY = "addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective}`))"

# What has the focus: its role in words, its name as people read it, and why one could not see it (empty: one can).
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels?.[0]?.innerText || one.getAttribute('aria-label') || one.innerText || one.value || '';
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const x = Math.max(box.left + 1, Math.min(box.left + box.width / 2, innerWidth - 1));
  const y = box.top + Math.min(box.height / 2, innerHeight / 2);
  const top = document.elementFromPoint(x, y);
  let hidden = '';
  if (!box.width || box.bottom < 0 || y > innerHeight) hidden = 'is outside of the screen';
  else if (top && !(one.contains(top) || top.contains(one) || [...one.labels || []].some((l) => l.contains(top)))) hidden = `is under ${top.className || top.tagName}`;
  else if (style.outlineStyle === 'none' && style.boxShadow === 'none') hidden = 'has no visible focus';
  return {tag: one.tagName.toLowerCase(), type: one.type || '', name: label.replace(/\\s+/g, ' ').trim(), hidden};
}"""


class Complaints:
    """What pages of one browser context complained about."""

    def __init__(self, host: str, *, expected: str = "") -> None:
        self.host = host
        self.found: list[str] = []
        self._expected = re.compile(expected) if expected else None

    def expect(self, pattern: str) -> None:
        """From here on what matches is no complaint."""
        self._expected = re.compile(pattern)

    def follow(self, page: Page) -> None:
        page.on("console", lambda message: self._note(f"console: {message.text}") if message.type == "error" else None)
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("request", lambda request: self._host(request.url))
        page.on("response", self._answer)

    def _note(self, text: str) -> None:
        if not (self._expected and self._expected.search(text)):
            self.found.append(text)

    def _host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.found.append(f"a request left the host: {url}")

    def _answer(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"{response.status} of {response.url}")


class Person:
    """Somebody with a mouse and scripts; the other ways change single verbs."""

    scripts = True

    def __init__(self, browser: Browser, base_url: str, name: str, password: str) -> None:
        self.name = name
        self.context: BrowserContext = browser.new_context(
            base_url=base_url, viewport={"width": 1280, "height": 800}, java_script_enabled=self.scripts
        )
        if self.scripts:
            self.context.add_init_script(WATCH_POLICY)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.complaints = Complaints(urlsplit(base_url).netloc)
        self.complaints.follow(self.page)
        self.page.goto("/accounts/login/?next=/queue/")
        self.write("Username or e-mail", name)
        self.write("Password", password)
        self.press("Sign in")
        self.see("My queue")

    # ------------------------------------------------------------------------------------------------- verbs
    def follow(self, name: str | re.Pattern[str], *, within: str = "body") -> None:
        """Open a link by its words."""
        self.loads(self.page.locator(within).get_by_role("link", name=name, exact=True).first.click)

    def open_row(self, text: str) -> None:
        """Open the row of a list that says ``text``."""
        self.loads(self.page.locator("[data-rows]").get_by_role("link", name=text).first.click)

    def press(self, name: str) -> None:
        """Press a button of the page."""
        self.loads(self.page.locator("main").get_by_role("button", name=name, exact=True).first.click)

    def write(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).first.fill(text)

    def choose(self, label: str, option: str) -> None:
        """An option of a list."""
        self.page.get_by_label(label, exact=True).first.select_option(label=option)

    def pick(self, label: str) -> None:
        """A radio button."""
        self.page.get_by_label(label, exact=True).first.check()

    def see(self, text: str | re.Pattern[str], *, within: str = "main") -> Locator:
        found = self.page.locator(within).get_by_text(text).first
        expect(found).to_be_visible(timeout=SECONDS * 1000)
        return found

    def see_row(self, text: str) -> None:
        expect(self.page.locator("[data-rows]").get_by_text(text).first).to_be_visible(timeout=SECONDS * 1000)

    def watch(self, selector: str, text: str | re.Pattern[str]) -> None:
        """Wait until the page shows it, without loading it again."""
        self.evaluate("window.neverLoadedAgain = true")
        expect(self.page.locator(selector).first).to_contain_text(text, timeout=SECONDS * 2000)
        assert self.page.evaluate("window.neverLoadedAgain"), "the page was loaded again"

    def leave(self) -> None:
        self.context.close()
        assert not self.complaints.found, f"{self.name}'s pages complained: {self.complaints.found}"

    # ------------------------------------------------------------------------------------------------- waiting
    def evaluate(self, script: str) -> Any:
        """Asked once more if the page was just being left: a slow machine is still loading the next one."""
        for _ in range(3):
            self.page.wait_for_load_state("load")
            try:
                return self.page.evaluate(script)
            except Error as error:
                if "context was destroyed" not in str(error):
                    raise
        raise AssertionError(f"{self.page.url} is left again and again")

    def loads(self, act: Callable[[], object]) -> None:
        """Act, and wait for the page that comes of it.

        Not for a navigation: htmx writes the address into the history when it swaps for the first time, and that is one.
        """
        with self.page.expect_event("load"):
            act()


class WithoutJavaScript(Person):
    """Links and forms only; what moves is seen by loading the page again."""

    scripts = False

    def watch(self, selector: str, text: str | re.Pattern[str]) -> None:
        wanted = re.compile(re.escape(text)) if isinstance(text, str) else text
        until = time.monotonic() + SECONDS * 2
        while not wanted.search(" ".join(" ".join(self.page.locator(selector).all_inner_texts()).split())):
            assert time.monotonic() < until, f"{selector} never said {text!r}"
            time.sleep(0.5)
            self.page.reload()


class ByKeyboard(Person):
    """Tab, Enter, Space, arrows and the portal's own keys; the mouse is not touched. Focus is always seen."""

    def follow(self, name: str | re.Pattern[str], *, within: str = "body") -> None:
        self._tab_to(name, "a")
        self.loads(lambda: self.page.keyboard.press("Enter"))

    def open_row(self, text: str) -> None:
        for _ in range(MOST_TABS):
            self.page.keyboard.press("j")
            now = self._focused()
            if now and text in now["name"]:
                assert now["hidden"] == "", f"{now['name']} {now['hidden']}"
                return self.loads(lambda: self.page.keyboard.press("o"))
        raise AssertionError(f"no row says {text!r}")

    def press(self, name: str) -> None:
        self._tab_to(name, "button")
        self.loads(lambda: self.page.keyboard.press("Enter"))

    def write(self, label: str, text: str) -> None:
        self._tab_to(label, "input", "textarea")
        self.page.keyboard.type(text)

    def choose(self, label: str, option: str) -> None:
        self._tab_to(label, "select")
        self.page.keyboard.type(option)
        expect(self.page.get_by_label(label, exact=True).first.locator("option:checked")).to_have_text(option)

    def open(self, name: str) -> None:
        """Unfold what is folded under these words."""
        self._tab_to(name, "summary")
        self.page.keyboard.press("Enter")

    def pick(self, label: str) -> None:
        now = self._focused()
        if now is None or now["type"] != "radio":
            now = self._tab_to(None, "input", kind="radio")
        self.page.keyboard.press("Space")
        for _ in range(9):
            if now["name"] == label:
                return
            self.page.keyboard.press("ArrowDown")
            now = self._focused() or now
        raise AssertionError(f"no radio button says {label!r}")

    def _focused(self) -> dict[str, str] | None:
        """What has the focus, once scrolling to it has ended."""
        now = self._focused_now()
        for _ in range(40):
            if now is None or not now["hidden"]:
                break
            self.page.wait_for_timeout(50)
            now = self._focused_now()
        return now

    def _focused_now(self) -> dict[str, str] | None:
        now: dict[str, str] | None = self.evaluate(FOCUSED)
        return now

    def _tab_to(self, name: str | re.Pattern[str] | None, *tags: str, kind: str = "") -> dict[str, str]:
        """Press Tab until the focus is on it; every stop on the way must be visible."""
        passed: list[str] = []
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            now = self._focused()
            if now is None:
                continue
            assert now["hidden"] == "", (
                f"{self.page.url}: “{now['name'] or now['tag']}” has the focus and {now['hidden']}"
            )
            passed.append(f"{now['tag']} {now['name']}")
            if now["tag"] in tags and (not kind or now["type"] == kind) and _is(name, now["name"]):
                return now
        raise AssertionError(f"Tab never came to {name!r} on {self.page.url}; it passed {passed}")


def _is(wanted: str | re.Pattern[str] | None, name: str) -> bool:
    if wanted is None:
        return True
    return bool(wanted.search(name)) if isinstance(wanted, re.Pattern) else wanted in name
