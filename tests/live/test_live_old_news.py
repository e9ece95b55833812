"""What an open page shows grows old, fails to refresh, or has not arrived yet: it says so and puts it right by itself, in Chromium."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Route, expect

from apps.core.clock import now
from apps.deployments.models import Deployment, DriftCheck, Environment
from apps.deployments.queries.drift import USUAL_SECONDS
from tests.live.test_live_log import open_with_cap
from tests.live.test_live_log_places import failed
from tests.support.sockets import log_event
from tests.support.watching import IN_CHROMIUM, Scene, apart, wait_until

pytestmark = IN_CHROMIUM


def test_only_the_region_that_failed_is_asked_for_again_also_under_the_pointer(scene: Scene) -> None:
    scene.run()
    scene.event("It began.")
    page = scene.open()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("?")[0].split("/")[-2]))

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body="<h1>Not now</h1>")

    page.route("**/_events/", refuse)
    page.route("**/_steps/", refuse)
    scene.event("It goes on.")
    expect(page.locator("#freshness")).to_contain_text("Not refreshed, trying again…")
    page.locator(".event-list li").first.hover()
    page.wait_for_timeout(8_000)
    assert (asked.count("_header"), asked.count("_steps") > 2, asked.count("_events") > 2) == (1, True, True)
    assert asked.count("_events") <= 6, "less and less often"
    page.unroute("**/_events/")
    page.unroute("**/_steps/")
    expect(page.locator(".event-list")).to_contain_text("It goes on.", timeout=30_000)
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=30_000)


def test_a_look_that_grows_old_on_an_open_page_is_green_no_more(scene: Scene) -> None:
    def look() -> None:
        place = Environment.objects.get(pk=scene.row.environment_id)
        Deployment.objects.filter(pk=scene.row.pk).update(status="succeeded", ended_at=now() - timedelta(days=1))
        Environment.objects.filter(pk=place.pk).update(
            live_deployment=scene.row, live_commit=scene.row.commit, live_since=now()
        )
        at = now() - timedelta(seconds=2 * USUAL_SECONDS - 6)
        DriftCheck.objects.create(
            environment=place, deployment=scene.row, commit=scene.row.commit, target="", way="kubernetes",
            state="in_sync", looked_at=1, checked_at=at, health="healthy", health_since=at,
        )  # fmt: skip

    apart(look)
    page = scene.open()
    page.goto("/environments/?environment=staging")
    expect(page.locator("#board .st--ok", has_text="Healthy")).to_be_visible()
    expect(page.locator("#board .st--ok", has_text="In sync")).to_be_visible()
    expect(page.locator("#board")).to_contain_text("Drift: not checked", timeout=20_000)
    expect(page.locator("#board .st--ok", has_text="Healthy")).to_have_count(0)
    expect(page.locator("#board .st--ok", has_text="In sync")).to_have_count(0)


def test_a_line_that_has_not_arrived_is_told_so_and_leaves_what_was_found(scene: Scene) -> None:
    scene.run()
    scene.write(20)
    page = scene.open()
    page.get_by_label("Words in the log").fill("line 7")
    page.get_by_role("button", name="Search", exact=True).click()
    found = page.locator("#log-found")
    expect(found.locator("li")).to_have_count(1)
    page.evaluate("location.hash = '#step-apply-L21'")
    expect(found).to_contain_text("Line 21 has not arrived on this page yet.")
    page.evaluate("location.hash = '#step-verify-L1'")
    expect(found).to_contain_text("Line 1 has not arrived on this page yet.")
    expect(found.locator("li")).to_have_count(1)
    expect(page.locator(".logs > .section-head")).to_contain_text("begun")
    expect(page.locator(".logs > .section-head")).not_to_contain_text("attempt")
    scene.run_again()
    apart(lambda: log_event(scene.row, 1, 3, attempt=2))
    expect(page.locator("#step-apply-2-L3")).to_be_attached()
    expect(page.locator(".logs > .section-head")).to_contain_text("attempt 2")
    expect(found).to_be_empty()


def test_a_run_that_failed_is_not_followed_until_somebody_asks_and_a_range_leaves_the_filter(scene: Scene) -> None:
    failed(scene)
    page = scene.open()
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    view = "document.querySelector('#step-apply .log-view')"
    wait_until(page, f"{view}.scrollHeight - {view}.scrollTop - {view}.clientHeight < 24")
    page.goto(f"/deployments/{scene.row.number}/?show=errors")
    page.evaluate("location.hash = '#step-apply-L1240-L1300'")
    expect(page.locator("#step-apply-L1240")).to_have_class("ll ll-e sel")
    page.wait_for_timeout(1_000)
    assert "show=errors" in page.url, "the filter stays"


def test_rows_that_are_cut_above_what_somebody_reads_do_not_end_the_following(scene: Scene) -> None:
    scene.run()
    page = open_with_cap(scene)
    for _ in range(5):
        scene.write(500)
    expect(page.locator("#step-apply-L2500")).to_be_attached()
    view, other, follow = (
        page.locator("#step-apply .log-view"),
        page.locator("#step-verify .log-view"),
        page.get_by_role("button", name="Follow"),
    )
    view.evaluate("(one) => { one.scrollTop = one.scrollHeight - 3 * one.clientHeight; }")
    expect(follow).to_have_attribute("aria-pressed", "false")
    apart(lambda: log_event(scene.row, 1, 200, step="verify"))
    expect(other.locator(".ll")).to_have_count(200)
    other.hover()
    other.evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.mouse.move(5, 5)
    top = view.evaluate("(one) => one.scrollTop")
    apart(lambda: log_event(scene.row, 201, 500, step="verify"))
    expect(page.locator(".log-gap.log-cut")).to_have_count(1)
    page.wait_for_timeout(500)
    assert view.evaluate("(one) => one.scrollTop") < top - 2, "what is read has gone up with the rows above it"
    expect(follow).to_have_attribute("aria-pressed", "true")
