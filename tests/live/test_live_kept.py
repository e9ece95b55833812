"""What somebody writes or has opened, and what they look at, outlives refreshes and failed requests, in Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from apps.core.clock import now
from apps.deployments.models import Deployment, DriftCheck, Environment
from apps.deployments.signals import environment_changed
from tests.support.sockets import cookie_of
from tests.support.watching import IN_CHROMIUM, Scene, apart, wait_until

pytestmark = IN_CHROMIUM
PATIENCE = 30_000  # milliseconds


def finding(name: str) -> dict[str, object]:
    words = {"resource": f"ConfigMap web/{name}", "kind": "", "path": "data.a", "wanted": "1", "found": "9"}
    return {**words, "is_exact": False, "digest": "", "is_vague": False, "mark": name * 20}


def looked(scene: Scene, *names: str) -> None:
    """What is live there was looked at, and these ConfigMaps are not as they were deployed."""

    def look() -> None:
        place = Environment.objects.get(pk=scene.row.environment_id)
        Deployment.objects.filter(pk=scene.row.pk).update(status="succeeded", ended_at=now())
        Environment.objects.filter(pk=place.pk).update(
            live_deployment=scene.row, live_commit=scene.row.commit, live_since=now()
        )
        DriftCheck.objects.update(is_latest=False)
        DriftCheck.objects.create(
            environment=place, deployment=scene.row, commit=scene.row.commit, target="", way="kubernetes",
            state="drifted", checked_at=now(), since=now(), findings=[finding(name) for name in names],
            marks=[[name * 20, name] for name in names], looked_at=2,
        )  # fmt: skip
        environment_changed.send(sender=None, environment_id=place.pk)

    apart(look)


def test_a_reason_that_is_being_typed_outlives_what_happens_to_the_environment(scene: Scene) -> None:
    looked(scene, "two")
    name, value = apart(lambda: cookie_of(scene.delivery.people.carol)).split("=", 1)
    scene.context.add_cookies([{"name": name, "value": value, "url": f"http://127.0.0.1:{scene.port}"}])
    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    place = apart(lambda: scene.row.environment.name)
    page.goto(f"/environments/{scene.delivery.repository.name}/{place}/drift/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    page.locator("summary", has_text="Accept…").click()
    field = page.get_by_label("Why")
    field.press_sequentially("somebody must ")
    looked(scene, "one", "two")
    show = page.locator("#drift [data-show-updates]")
    expect(show).to_contain_text("– Show", timeout=PATIENCE)
    expect(field).to_be_focused()
    field.press_sequentially("guard it")
    assert page.locator("#drift tbody tr").count() == 1, "nothing is written over while somebody types"
    show.click()
    expect(page.locator("#drift tbody tr")).to_have_count(2, timeout=PATIENCE)
    written = page.locator("form", has=page.get_by_label("Why").locator("visible=true"))
    expect(written.locator("[name=reason]")).to_have_value("somebody must guard it")
    expect(written.locator("[name=mark]")).to_have_value("two" * 20)


def failing(status: int, body: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body=body, content_type="text/html")


BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
REFUSED = '<section id="refused" role="alert"><p class="error-status">503</p><h2>Not now</h2><p>The disk is full.</p></section>'
FAILURES = {
    "a proxy without its server": (failing(502, BAD_GATEWAY), "The server answered with an error (502)."),
    "a page that is no part": (failing(200, BAD_GATEWAY), "The server answered with another page."),
    "a refusal": (failing(503, REFUSED), "The disk is full."),
    "no network": (lambda route: route.abort(), "The server could not be reached."),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_part_that_does_not_come_takes_the_place_of_nothing(scene: Scene, failure: str) -> None:
    for _ in range(7):
        scene.write(500)
    page = scene.open()
    refuse, words = FAILURES[failure]
    title, alert, gap = page.title(), page.get_by_role("alert"), page.locator("#step-apply .log-gap a")
    page.evaluate("window.neverLoadedAgain = true")
    page.route("**/_log/**", refuse)
    page.route("**/search/**", refuse)
    page.evaluate("location.hash = '#step-apply-L1200'")
    expect(alert).to_contain_text(words, timeout=PATIENCE)
    expect(gap).to_be_attached()
    page.evaluate("document.getElementById('messages').replaceChildren()")
    page.get_by_role("searchbox", name="Words in the log").fill("LINE 1777")
    page.keyboard.press("Enter")
    expect(alert).to_contain_text(words, timeout=PATIENCE)
    expect(page.locator("#log-found")).to_be_attached()
    assert (page.title(), page.evaluate("window.neverLoadedAgain")) == (title, True)
    page.unroute("**/search/**")
    page.unroute("**/_log/**")
    page.keyboard.press("Enter")
    expect(page.locator("#log-found")).to_contain_text("1 line has", timeout=PATIENCE)
    expect(alert).to_have_count(0)
    expect(page.locator("#live")).to_contain_text("1 line has “LINE 1777”", timeout=PATIENCE)
    gap.click()
    expect(page.locator("#step-apply-L1200")).to_be_attached(timeout=PATIENCE)
    assert page.locator("[aria-live]").count() == 1


POLLS = """() => {
  document.querySelector('main').insertAdjacentHTML('beforeend',
    '<section id="rendered" hx-get="/environments/compare/_targets/" hx-trigger="every 500ms" hx-swap="outerMorph">Being rendered</section>');
  htmx.process(document.getElementById('rendered'));
}"""


def test_a_part_that_asks_again_by_itself_goes_on_and_complains_once(scene: Scene) -> None:
    page = scene.open()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502, body=BAD_GATEWAY)

    page.route("**/_targets/", refuse)
    page.evaluate(POLLS)
    expect(page.get_by_role("alert")).to_contain_text("(502)", timeout=PATIENCE)
    page.evaluate("document.querySelector('#messages [role=alert]').id = 'first'")
    until(page, lambda: len(asked) > 3)
    expect(page.locator("#first")).to_be_visible()
    expect(page.locator("#rendered")).to_have_text("Being rendered")
    page.unroute("**/_targets/")
    page.route("**/_targets/", failing(200, '<section id="rendered">Rendered</section>'))
    expect(page.locator("#rendered")).to_have_text("Rendered", timeout=PATIENCE)
    expect(page.get_by_role("alert")).to_have_count(0)


def until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("It did not become true.")


def test_how_it_ends_and_where_the_error_is_are_spoken(scene: Scene) -> None:
    scene.run()
    scene.write(40)
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    page.evaluate(
        "window.said = []; new MutationObserver(() => said.push(document.getElementById('live').textContent))"
        ".observe(document.getElementById('live'), { childList: true })"
    )
    scene.write(1, text="error")
    scene.event("It goes on.")
    scene.event("Step apply exited with 1.", status="failed")
    wait_until(page, "said.join(' ').includes('An error in step apply, line 41.')", 30)
    wait_until(page, "said.join(' ').includes('Step apply exited with 1.')", 30)
    assert not page.evaluate("said.join(' ').includes('It goes on.')")
