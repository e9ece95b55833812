"""What UX §5 promises of the live page of a deployment, each by its number, in Chromium."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt
from apps.deployments.output import LONGEST_LINE, take_lines
from tests.support.watching import COUNT_SOCKETS, IN_CHROMIUM, SHIFTS, VIEW, Scene, apart, wait_until

pytestmark = IN_CHROMIUM
STATE = f"""() => {{
  const one = document.activeElement;
  return [one.id, one.value, one.selectionStart, one.selectionEnd, Math.round(one.getBoundingClientRect().top),
          scrollY, {VIEW}.scrollTop, document.querySelector('#step-apply-L40').getBoundingClientRect().top];
}}"""
NOTES = """window.notes = [];
window.asked = 0;
window.Notification = class {
  static permission = 'default';
  static requestPermission() { window.asked += 1; return Promise.resolve(Notification.permission = 'granted'); }
  constructor(title, { body }) { window.notes.push([title, body]); }
  addEventListener() {}
};"""
HIDE = """() => {
  Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  Object.defineProperty(document, 'hidden', { value: true, configurable: true });
  document.hasFocus = () => false;
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def resources(count: int) -> list[dict[str, str]]:
    health = ("healthy", "progressing")
    return [
        {"kind": "Deployment", "group": "apps", "namespace": "shop", "name": f"web-{n}", "sync": "synced", "message": "",
         "health": health[n >= count]} for n in range(20)
    ]  # fmt: skip


def test_acceptance_12_two_hundred_events_move_nothing(scene: Scene) -> None:
    scene.run()
    scene.write(300)
    apart(lambda: Attempt.objects.update(resources=resources(0)))
    page = scene.open()
    page.set_viewport_size({"width": 1440, "height": 1400})  # so that steps, resources and events are all in sight
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    page.evaluate(f"{VIEW}.scrollTop = 400")
    field = page.get_by_label("Words in the log")
    field.click()
    field.press_sequentially("quota exceeded")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_timeout(1_000)
    before = page.evaluate(STATE)
    page.evaluate(SHIFTS)
    for number in range(50):
        scene.write(3)
        scene.event(f"Look {number}: a sentence of some length for who watches, which takes more than one line here.")
        scene.event(f"Check {number}.", kind="step", step="apply")
        apart(lambda n=number: Attempt.objects.update(resources=resources(n % 21)))  # type: ignore[misc]
        scene.event(f"{number % 21} of 20 resources are healthy.", kind="resources")
        page.wait_for_timeout(60)
    expect(page.locator(".event-list li").first).to_contain_text("7 of 20 resources", timeout=15_000)
    expect(page.locator(".log-more")).to_contain_text("150 new lines")
    page.wait_for_timeout(500)
    assert page.evaluate(STATE) == before
    assert before[1:4] == ["quota exceeded", 12, 14]
    shifted = page.evaluate("window.shifted")
    assert shifted == [], shifted


class Dam:
    """Between page and server: frames can be held back, and the socket closed with a code, as a server does."""

    def __init__(self, page: Page) -> None:
        self.is_open = True
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile(r"/ws/"), self._keep)

    def _keep(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(message) if self.is_open else None)
        self.sockets.append(socket)


def watched(scene: Scene, script: str = COUNT_SOCKETS) -> tuple[Page, Dam]:
    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.add_init_script(script)
    dam = Dam(page)
    page.goto(f"/deployments/{scene.row.number}/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    return page, dam


FRESH = """() => {
  const box = document.getElementById('freshness');
  const spins = [...document.querySelectorAll('.icon--spin')].map((one) => getComputedStyle(one).animationName);
  return {state: box.dataset.state, text: box.textContent, dot: getComputedStyle(box.firstElementChild).backgroundColor,
          spins, clock: document.querySelector('.thing-meta [data-since]').textContent};
}"""


@pytest.mark.slow
def test_acceptance_15_after_fifteen_silent_seconds_nothing_is_green_or_moves_and_the_time_of_the_state_is_told(
    scene: Scene,
) -> None:
    scene.run()
    scene.write(3)
    page, dam = watched(scene)
    page.wait_for_timeout(1_500)
    live: dict[str, Any] = page.evaluate(FRESH)
    assert live["text"].startswith("Live · event ")
    assert set(live["spins"]) != {"none"}, "what runs moves while it is known to run"
    dam.is_open = False
    last = page.evaluate("new Date().toLocaleTimeString([], { hour12: false, timeZone: 'UTC' })")
    page.wait_for_timeout(13_000)
    assert page.evaluate(FRESH)["state"] == "live", "less than fifteen seconds"
    page.wait_for_timeout(4_000)
    stale: dict[str, Any] = page.evaluate(FRESH)
    assert stale["state"] == "lost"
    assert stale["dot"] != live["dot"]
    said = re.fullmatch(r"Reconnecting… state of (\d\d:\d\d):(\d\d) UTC", stale["text"])
    assert said is not None
    assert said[1] == last[:5] or int(said[2]) < 3, "the time of the state that is shown, not of now"
    assert set(stale["spins"]) == {"none"}
    page.wait_for_timeout(2_500)
    assert page.evaluate(FRESH)["clock"] == stale["clock"], "a clock that goes on would claim that it still runs"
    dam.is_open = True
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=20_000)
    assert set(page.evaluate(FRESH)["spins"]) != {"none"}


def test_acceptance_16_a_socket_closed_with_4401_offers_the_sign_in_and_nothing_is_live_any_more(scene: Scene) -> None:
    scene.run()
    scene.write(3)
    page, dam = watched(scene)
    dam.sockets[-1].close(code=4401)
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    link = page.get_by_role("alert").get_by_role("link", name="Sign in")
    expect(link).to_have_attribute("href", f"/accounts/login/?next=%2Fdeployments%2F{scene.row.number}%2F")
    for _ in range(4):
        assert page.evaluate(FRESH)["state"] == "lost"
        assert page.evaluate(FRESH)["text"].startswith("Not live: state of ")
        page.wait_for_timeout(700)
    assert set(page.evaluate(FRESH)["spins"]) == {"none"}
    assert len(dam.sockets) == 1, "it is final: no other socket is tried"


def test_title_icon_and_notification_say_how_it_ended_in_a_tab_that_nobody_looks_at(scene: Scene) -> None:
    scene.run()
    page, _ = watched(scene, NOTES)
    expect(page).to_have_title(re.compile(rf"^(\(\d+\) )?◐ {scene.row.label} "))
    assert page.evaluate("document.getElementById('favicon').href").endswith("/favicon-running.svg")
    button = page.get_by_role("button", name="Notify me")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("asked") == 0, "nobody is asked before pressing the button"
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    scene.event("It goes on.")
    page.evaluate(HIDE)
    scene.write(5)
    expect(page.locator(".ll")).to_have_count(5)  # a hidden tab hears on
    assert page.evaluate("notes") == []
    scene.event("Step apply exited with 1 & <b>.", status="failed")
    expect(page).to_have_title(re.compile(r"^(\(\d+\) )?✕ "))
    wait_until(page, "notes.length === 1")
    title, body = page.evaluate("notes[0]")
    assert title.startswith(scene.row.label)
    assert title.endswith("has failed")
    assert body == "Step apply exited with 1 & <b>."
    assert page.evaluate("document.getElementById('favicon').href").endswith("/favicon-failed.svg")
    page.evaluate("document.dispatchEvent(new Event('htmx:after:swap'))")
    assert page.evaluate("asked") == 1
    again = scene.context.new_page()
    again.add_init_script(NOTES.replace("permission = 'default'", "permission = 'granted'"))
    again.goto(f"/deployments/{scene.row.number}/")
    expect(again.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "true")
    again.get_by_role("button", name="Notify me").click()
    expect(again.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "false")


def test_no_notification_is_sent_without_the_wish_or_to_who_looks_at_the_page(scene: Scene) -> None:
    scene.run()
    page, _ = watched(scene, NOTES.replace("permission = 'default'", "permission = 'granted'"))
    page.evaluate(HIDE)
    scene.event("It failed.", status="failed")
    expect(page).to_have_title(re.compile("✕ "))
    assert page.evaluate("notes") == []
    seen, _ = watched(scene, NOTES)
    seen.get_by_role("button", name="Notify me").click()
    seen.bring_to_front()
    scene.event("It failed again.", status="failed")
    expect(seen).to_have_title(re.compile("✕ "))
    assert seen.evaluate("notes") == []


HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "\x1b]8;;javascript:document.title='owned'\x07click\x1b]8;;\x07 \x1b]0;owned\x07",
    "\x1b[31m<b>red\x1b[0m \x1b[2J\x1b[1;1H\x1b[8mhidden\x1b[28m \x1b[38;2;1;2;3;url(//evil.example)mx",
    "\u202egnol si siht\u202c \u2066isolated\u2069 zero\u200bwidth \ufeff",
    "</div></details></main><h1 id=live>Deployed</h1>",
    "L" * 1_000_000,
    "w" * 400 + " " + "\u0301" * 400,
)


def test_acceptance_33_hostile_lines_neither_inject_nor_break_the_layout(scene: Scene) -> None:
    scene.run()
    scene.write(1)
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    ids = (
        "[...document.querySelectorAll('[id]')].map((one) => one.id).filter((id) => !/-L\\d+$|^event-place-/.test(id))"
    )
    before = page.evaluate(ids)
    width = page.evaluate("document.documentElement.scrollWidth")
    for number, text in enumerate(HOSTILE, start=2):
        (line,) = take_lines(text.encode(), SecretMask([]), final=True).lines
        scene.event(line, kind="log", step="apply", first_line=number)
    scene.event(f"Step {HOSTILE[0]} says {HOSTILE[3]}.", kind="step", step="apply")
    expect(page.locator(".ll")).to_have_count(len(HOSTILE) + 1)
    live = page.locator(".log-view").first.inner_html()
    scene_checks(page, before, ids, width)
    page.reload()
    scene_checks(page, before, ids, width)
    assert page.locator(".log-view").first.inner_html().replace(' data-full=""', "") == live
    page.get_by_label("Words in the log").fill("onerror")
    page.keyboard.press("Enter")
    expect(page.locator("#log-found")).to_contain_text("1 line has")
    scene_checks(page, before, ids, width)


def scene_checks(page: Page, before: list[str], ids: str, width: int) -> None:
    """Nothing of the lines acts: no element of theirs, no address, no style; the page is as wide as it was."""
    assert "owned" not in page.title()
    assert page.evaluate(ids) == before
    view = "document.querySelector('.logs')"
    assert page.evaluate(f"{view}.querySelectorAll('img, script, iframe, h1, [style], [onerror], [src]').length") == 0
    links = page.evaluate(f"[...{view}.querySelectorAll('.lx a')].length")
    assert links == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    text = page.evaluate("document.querySelector('.log-view').textContent")
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert f"{1_000_000 - LONGEST_LINE:,} more characters are not shown" in text
