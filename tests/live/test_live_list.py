"""The list of deployments and the events of one while somebody reads in them, in Chromium."""

from __future__ import annotations

import pytest
from django.db import transaction
from playwright.sync_api import expect

from apps.deployments.lifecycle import Event
from apps.deployments.models import Attempt, Deployment, Step
from apps.deployments.transitions import move
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
ROWS = "[...document.querySelectorAll('#deployment-list [data-rows] > tr')].map((row) => [row.id, row.textContent, row.getBoundingClientRect().top])"
ENVIRONMENTS = ("staging", "production")  # into which a merged change of the scene goes
FOCUSED = "document.activeElement.closest('tr')?.id"


@pytest.mark.parametrize("way", ["pointer", "focus"])
def test_acceptance_13_deployments_stay_while_pointer_or_focus_is_in_their_list(scene: Scene, way: str) -> None:
    scene.run()
    page = scene.context.new_page()
    page.goto("/deployments/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    link = page.locator(f"#deployment-row-{scene.row.number} a").first
    page.mouse.move(2, 2)
    if way == "pointer":
        link.hover()
    else:
        link.focus()
    before = page.evaluate(ROWS)
    later = apart(lambda: scene.delivery.deployment(scene.delivery.merged("two", {"app/two.yaml": "a: 1\n"})))
    scene.event("It goes on.")
    show = page.locator("[data-show-updates]")
    expect(show).to_have_text(f"{len(ENVIRONMENTS) + 1} updates – Show", timeout=15_000)
    assert page.evaluate(ROWS) == before, "nothing was inserted, and nothing says anything else"
    show.click()
    expect(page.locator(f"#deployment-row-{later.number}")).to_be_visible()
    expect(show).to_be_hidden()
    if way == "focus":
        assert page.evaluate(FOCUSED) == f"deployment-row-{scene.row.number}", "the focus is back"


def moved(row: Deployment, event: str) -> None:
    row.refresh_from_db()
    with transaction.atomic():
        move(row, Event(event), text="apply failed.", problem="apply failed.")


def placed(region: str) -> str:
    return f"[...document.querySelectorAll('{region} [data-rows] > tr')].map((row) => [row.id, row.textContent, row.getBoundingClientRect().top])"


def test_the_deploys_of_a_change_come_by_themselves_and_stay_under_the_pointer(scene: Scene) -> None:
    scene.run()
    number = apart(lambda: scene.row.change.number)
    page = scene.context.new_page()
    page.on("pageerror", lambda error: scene.errors.append(str(error)))
    page.goto(f"/changes/{number}/deployments/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    row = page.locator(f"#deployment-row-{scene.row.number}")
    expect(row).to_contain_text("Running")
    apart(lambda: moved(scene.row, "fail"))
    expect(row).to_contain_text("Failed", timeout=15_000)
    row.locator("a").first.hover()
    region = f"#change-{number}-deployments"
    before = page.evaluate(placed(region))
    apart(lambda: moved(scene.row, "retry"))
    show = page.locator("[data-show-updates]")
    expect(show).to_have_text("1 update – Show", timeout=15_000)
    assert page.evaluate(placed(region)) == before, "nothing says anything else"
    show.click()
    expect(row).to_contain_text("Waiting")
    expect(show).to_be_hidden()
    assert scene.errors == []


def test_the_history_of_an_environment_comes_by_itself_and_stays_while_the_focus_is_in_it(scene: Scene) -> None:
    scene.run()
    place = apart(lambda: f"{scene.row.environment.repository.name}/{scene.row.environment.name}")
    page = scene.context.new_page()
    page.goto(f"/environments/{place}/")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    apart(lambda: moved(scene.row, "fail"))
    row = page.locator("#environment-history [data-rows] > tr").first
    expect(row).to_contain_text(scene.row.label, timeout=15_000)
    row.locator("a").first.focus()
    later = apart(lambda: scene.delivery.deployment(scene.delivery.merged("two", {"app/two.yaml": "a: 1\n"})))
    expect(page.locator("#environment-state")).to_contain_text(later.label, timeout=15_000)  # its list is not held back
    apart(lambda: moved(later, "cancel"))
    show = page.locator("#environment-history [data-show-updates]")
    expect(show).to_have_text("1 update – Show", timeout=15_000)
    expect(page.locator("#environment-state [data-show-updates]")).to_be_hidden()
    expect(row).to_contain_text(scene.row.label)
    page.evaluate("document.activeElement.blur()")
    expect(row).to_contain_text(later.label, timeout=15_000)


EVENTS = "[...document.querySelectorAll('.events [data-rows] > li')].map((row) => [row.id, row.textContent, row.getBoundingClientRect().top])"
EVENT = "document.activeElement.closest('.event-list li')?.dataset.stamp"


@pytest.mark.parametrize("way", ["pointer", "focus"])
def test_acceptance_13_events_stay_while_pointer_or_focus_is_in_their_list(scene: Scene, way: str) -> None:
    scene.run()
    scene.event("A first sentence of some length, so that it may be scrolled and so have the focus by itself.")
    apart(lambda: Attempt.objects.update(resources=[resource("healthy")]))
    page = scene.open()
    page.set_viewport_size({"width": 1440, "height": 1400})
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    row = page.locator(".event-list li").first
    page.mouse.move(2, 2)
    if way == "pointer":
        row.hover()
    else:
        row.focus()
    stamp, before = row.get_attribute("data-stamp"), page.evaluate(EVENTS)
    scene.event("A second one.")
    apart(lambda: Attempt.objects.update(resources=[resource("degraded")]))
    apart(lambda: Step.objects.filter(name="apply").update(problem="The quota is exceeded."))
    scene.event("It failed.", kind="step", step="apply")
    show = page.locator("[data-show-updates]")
    expect(show).to_have_text("2 updates – Show", timeout=15_000)
    expect(page.locator(".step-note")).to_have_text("The quota is exceeded.")  # what is no list is as it is now
    scene.event("A third one.")
    expect(show).to_have_text("3 updates – Show", timeout=15_000)
    assert page.evaluate(EVENTS) == before, "no sentence stands in another place"
    show.click()
    expect(row).to_contain_text("A third one.")
    expect(page.locator(".resource-rows")).to_contain_text("Degraded")
    expect(show).to_be_hidden()
    if way == "focus":
        assert page.evaluate(EVENT) == stamp, "the same event has the focus, where it stands now"
    scene.event("A fourth one.")
    if way == "focus":
        expect(show).to_have_text("1 update – Show", timeout=15_000)
        page.get_by_label("Words in the log").focus()
    expect(row).to_contain_text("A fourth one.", timeout=15_000)
    expect(show).to_be_hidden()
    assert scene.errors == []


def resource(health: str) -> dict[str, str]:
    return {"kind": "Deployment", "group": "apps", "namespace": "shop", "name": "web", "sync": "synced",
            "message": "", "health": health}  # fmt: skip
