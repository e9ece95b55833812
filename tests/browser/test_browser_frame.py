"""The frame in a real browser, on the component gallery: keys, look, accessibility, one submission, strict policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page

from apps.accounts.models import User
from apps.accounts.shortcuts import SHORTCUTS
from apps.presentation.context import NavEntry
from apps.presentation.gallery import sample
from apps.presentation.keyboard import Keyboard

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
THEMES = ["light default", "dark default", "light cb", "dark cb", "system cb"]
RULES = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def policy() -> str:
    """The content security policy of the settings, as a header."""
    rules = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def gallery(theme: str, diff: str, keys: str = "on", own: dict[str, str] | None = None) -> bytes:
    alice = SimpleNamespace(is_authenticated=True, username="alice", display_name="Alice", get_username=lambda: "alice")
    context = {
        "look": {"theme": theme, "diff": diff, "density": "comfortable", "keys": keys},
        "nav": [
            NavEntry("queue", "Queue", "queue", "go-queue", "/queue/", True),
            NavEntry("changes", "Changes", "changes", "go-changes", "/changes/"),
        ],
        "counts": (2, 1),
        "here": "/queue/",
        "user": alice,
        "csrf_token": "token",
        "sample": sample(),
        "shortcuts": Keyboard(User(shortcut_keys=own) if own else alice, keys),
    }
    return render_to_string("help/ui.html", context).encode()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serves the gallery and the static files with the real policy; every other address is an empty page."""
    header = policy()
    pages = {f"/{theme.replace(' ', '-')}": gallery(*theme.split()) for theme in THEMES}
    pages["/no-keys"] = gallery("light", "default", keys="off")
    pages["/own-keys"] = gallery("light", "default", own={"next-row": "b", "help": "Q", "go-changes": "y x"})

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = ROOT / self.path.lstrip("/").split("?")[0]
            static = self.path.startswith("/static/")
            body = path.read_bytes() if static else pages.get(self.path.split("?")[0], b"")
            self.send_response(200)
            self.send_header("Content-Type", TYPES[path.suffix] if static else "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", header)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    # Nobody answers sockets here, and the counts of queue and inbox ask for one on every page.
    problems = [text for text in problems if not text.startswith("WebSocket connection to")]
    assert problems == [], "the page complained (policy violations are among these)"


def focus(page: Page) -> str:
    """Id or text of what has the focus; empty when nothing has."""
    nothing = "document.activeElement === document.body"
    return page.evaluate(f"{nothing} ? '' : document.activeElement.id || document.activeElement.textContent.trim()")


def rest(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("document.activeElement.blur()")


@pytest.mark.parametrize("width", [1440, 320])
@pytest.mark.parametrize("theme", THEMES)
def test_components_have_no_accessibility_violation_and_fit_the_screen(
    chromium: Browser, site: str, theme: str, width: int
):
    scheme = "dark" if theme.startswith("system") else "light"
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{site}/{theme.replace(' ', '-')}")
    context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE.read_text()})
    found = page.evaluate(
        f"{RULES}.then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target).join(', ')))"
    )
    beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    context.close()
    assert found == []
    assert beyond <= 0


def test_help_lists_the_keys_that_work_here_and_escape_closes_it(page: Page, site: str):
    rest(page, f"{site}/light-default")
    page.keyboard.press("?")
    shown = page.locator("#shortcuts [data-shortcut]:not([hidden]) dd").all_text_contents()
    assert {"?", "/", "j", "k", "o", "g q", "g c", "1", "4"} <= set(shown)
    assert "5" not in shown, "there are four tabs"
    page.keyboard.press("Escape")
    assert page.locator("#shortcuts[open]").count() == 0


def test_rows_are_walked_by_keys_and_opened(page: Page, site: str):
    rest(page, f"{site}/light-default")
    page.keyboard.press("j")
    assert focus(page) == "Raise ingress replicas"
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert focus(page) == "d-8831"
    page.keyboard.press("k")
    page.keyboard.press("o")
    page.wait_for_url("**#1039")


def test_acceptance_5_keys_rest_while_one_types_and_with_modifiers(page: Page, site: str):
    rest(page, f"{site}/light-default")
    page.keyboard.press("Control+j")
    assert focus(page) == ""
    page.keyboard.press("/")
    assert focus(page) == "filter-q"
    page.keyboard.type("j?g c")
    assert page.input_value("#filter-q") == "j?g c"
    assert page.locator("#shortcuts[open]").count() == 0


def test_acceptance_5_keys_that_were_switched_off_do_nothing(page: Page, site: str):
    rest(page, f"{site}/no-keys")
    page.keyboard.press("j")
    page.keyboard.press("?")
    assert page.locator("#shortcuts[open]").count() == 0
    assert focus(page) == ""


PRESS = """({keys, composing}) => keys.split(' ').forEach((key) => document.activeElement.dispatchEvent(
  new KeyboardEvent('keydown', {key, isComposing: composing, bubbles: true, cancelable: true})))"""


def press(page: Page, keys: str, *, composing: bool = False) -> None:
    """The keys of the table, which the browser names as the table does."""
    page.evaluate(PRESS, {"keys": keys, "composing": composing})


def test_acceptance_5_no_key_fires_during_composition_or_in_a_dialog(page: Page, site: str):
    rest(page, f"{site}/light-default")
    press(page, "j", composing=True)
    press(page, "?", composing=True)
    assert (focus(page), page.locator("dialog[open]").count()) == ("", 0)
    page.keyboard.press("?")
    before = focus(page)
    for one in SHORTCUTS:
        if not one.fixed:
            press(page, one.keys)
    assert (focus(page), page.url, page.locator("dialog[open]").count()) == (before, f"{site}/light-default", 1)


def test_acceptance_5_moved_keys_work_and_the_old_ones_rest(page: Page, site: str):
    rest(page, f"{site}/own-keys")
    page.keyboard.press("j")
    page.keyboard.press("?")
    assert (focus(page), page.locator("dialog[open]").count()) == ("", 0)
    page.keyboard.press("b")
    assert focus(page) == "Raise ingress replicas"
    page.keyboard.press("Q")
    assert page.locator('#shortcuts [data-shortcut="next-row"] kbd').all_text_contents() == ["b"]
    assert page.locator("#search").get_attribute("aria-keyshortcuts") == "/"
    page.keyboard.press("Escape")
    press(page, "y x")
    page.wait_for_url(f"{site}/changes/")


BUTTONS = """(ids) => {
  window.sent = [];
  document.querySelector('#nav a[aria-current]')?.removeAttribute('aria-current'); // "up" would leave the page
  document.addEventListener('click', (event) => event.target.closest('a') && event.preventDefault(), true);
  document.addEventListener('submit', (event) => { event.preventDefault(); window.sent.push(event.submitter.id); }, true);
  for (const id of ids) {
    const form = document.createElement('form'), button = document.createElement('button');
    form.method = 'post';
    form.action = `/${id}/`;
    button.id = `send-${id}`;
    button.dataset.key = id;
    button.textContent = id;
    form.append(button);
    document.querySelector('main').append(form);
  }
}"""


def test_acceptance_5_no_single_key_sends_a_form_but_for_notes_to_oneself(page: Page, site: str):
    movable = [one for one in SHORTCUTS if not one.fixed and " " not in one.keys]
    rest(page, f"{site}/light-default")
    page.evaluate(BUTTONS, [one.id for one in movable])
    for one in movable:
        page.evaluate(
            "document.activeElement.blur(); sessionStorage.clear()"
        )  # no row was opened before: rows lead to here
        press(page, one.keys)
        page.keyboard.press("Escape")
        page.evaluate("document.querySelectorAll('dialog[open]').forEach((box) => box.close())")
    assert page.evaluate("window.sent") == [f"send-{one.id}" for one in movable if one.sends]
    assert page.url.startswith(f"{site}/light-default")


def test_what_a_control_says_of_its_key_is_what_works(page: Page, site: str):
    rest(page, f"{site}/light-default")
    said = "all => all.map(one => [one.dataset.key, one.getAttribute('aria-keyshortcuts')])"
    assert ["search", "/"] in page.locator("[data-key]").evaluate_all(said)
    page.goto(f"{site}/no-keys")
    assert page.locator("[data-key]:not([data-key=palette])").evaluate_all(said)
    assert page.locator("[aria-keyshortcuts='/']").count() == 0


def test_the_palette_finds_pages_and_actions_and_gives_the_focus_back(page: Page, site: str):
    rest(page, f"{site}/light-default")
    page.keyboard.press("j")
    page.keyboard.press("Control+k")
    assert focus(page) == "palette-q"
    page.keyboard.type("chan page")
    assert page.locator("#palette li:visible").count() == 1
    page.keyboard.press("ArrowDown")
    assert focus(page).startswith("Changes")
    page.keyboard.press("Escape")
    assert focus(page) == "Raise ingress replicas"
    page.keyboard.press(".")
    assert focus(page).startswith("New change"), "the primary action comes first"
    assert page.locator("#palette li").all_inner_texts()[1].startswith("A link as button")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("changes page")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/changes/")


def test_focus_that_a_swap_took_away_goes_to_what_stands_there_now(page: Page, site: str):
    rest(page, f"{site}/light-default")
    swapped = "document.dispatchEvent(new CustomEvent('htmx:after:swap'))"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.evaluate(f"document.activeElement.closest('[data-rows] > *').remove(); {swapped}")
    assert page.evaluate("Boolean(document.activeElement.closest('[data-rows]'))")
    page.focus("#forms .btn-primary")
    page.evaluate(f"const one = document.activeElement; one.replaceWith(one.cloneNode(true)); {swapped}")
    assert page.evaluate("document.activeElement.matches('#forms .btn-primary')")


def test_two_keys_go_to_a_page(page: Page, site: str):
    rest(page, f"{site}/light-default")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url(f"{site}/changes/")


def test_a_double_click_sends_once_and_a_refused_draft_is_kept(page: Page, site: str):
    rest(page, f"{site}/light-default")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.route("**/*", lambda route: route.fulfill(status=204) if route.request.method == "POST" else route.continue_())
    page.fill("#id_title", "Raise it")
    page.fill("#id_why", "Because it is too low")
    page.evaluate(
        "() => { const button = document.querySelector('#forms .btn-primary'); button.click(); button.click(); }"
    )
    page.wait_for_function("document.querySelector('#forms .btn-primary').textContent === 'Working…'")
    assert len(sent) == 1
    page.reload()  # the gallery shows a form with an error, as a refusal does
    assert page.input_value("#id_why") == "Because it is too low"


def test_first_paint_has_the_chosen_theme_without_script(chromium: Browser, site: str):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/dark-default")
    colour = page.locator("body").evaluate("element => getComputedStyle(element).backgroundColor")
    context.close()
    assert colour == "rgb(11, 15, 20)"
