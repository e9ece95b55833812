"""A comment on a line of the log outlives the session of its author, and is nobody else's, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from apps.live import consumers
from tests.support.people import PASSWORD
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
DRAFT = "Line 12 is where the database\nwas not there yet."


def writing(scene: Scene) -> Page:
    """Alice chose line 12 of a log that goes on, and has typed a comment on it."""
    scene.run()
    scene.write(20)
    page = scene.open()
    page.locator("#step-apply-L12 .ln").click()
    page.get_by_role("link", name="Comment on line 12 of apply").click()
    page.locator("textarea[name=body]").fill(DRAFT)
    return page


def sign_out_elsewhere(scene: Scene) -> None:
    other = scene.context.new_page()
    other.goto("/accounts/logout/")
    other.locator("main").get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Password", exact=True)).to_be_visible()


def sign_in(page: Page, name: str = "alice") -> None:
    page.get_by_label("Username or e-mail", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in", exact=True).click()


def is_still_there(page: Page) -> None:
    """The same words in the form of the same line."""
    expect(page.locator("textarea[name=body]")).to_have_value(DRAFT)
    expect(page.locator("[name=line]")).to_have_value("12")
    expect(page.locator("[name=step]")).to_have_value("apply")


def said_about(scene: Scene) -> int:
    """How many threads the change has."""
    return scene.row.change.threads.count()


def test_acceptance_16_a_comment_on_the_log_is_still_there_after_the_session_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SESSION_CHECK_SECONDS", 0.5)
    page = writing(scene)
    sign_out_elsewhere(scene)
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended. What you typed is still here.")
    expect(page.locator("textarea[name=body]")).to_have_value(DRAFT)
    page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    sign_in(page)
    is_still_there(page)
    page.locator("main").get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".log-threads")).to_contain_text("Line 12 is where the database")


def test_acceptance_16_a_comment_that_is_sent_after_the_session_ended_is_not_lost_either(scene: Scene) -> None:
    page = writing(scene)
    sign_out_elsewhere(scene)
    page.locator("main").get_by_role("button", name="Comment", exact=True).click()
    sign_in(page)
    is_still_there(page)
    assert apart(lambda: said_about(scene)) == 0, "nothing was said without a session"


KEPT = "Object.entries(sessionStorage).filter(([, text]) => text.includes('database')).map(([name]) => name)"


def test_who_signs_in_next_in_the_same_tab_is_not_offered_what_somebody_else_typed(scene: Scene) -> None:
    page = writing(scene)
    (kept,) = page.evaluate(KEPT)
    assert "alice" not in kept
    address = page.url
    for name in ("bob", "alice"):
        sign_out_elsewhere(scene)
        page.goto("/accounts/login/")
        sign_in(page, name)
        page.goto(address)
        expect(page.locator("[name=line]")).to_have_value("12")
        expect(page.locator("textarea[name=body]")).to_have_value("")
        assert page.evaluate(KEPT) == [], "and it is not in the tab any more"


def test_every_line_has_a_draft_of_its_own(scene: Scene) -> None:
    page = writing(scene)
    address = page.url
    page.goto(address.replace("line=12", "line=13"))
    expect(page.locator("[name=line]")).to_have_value("13")
    expect(page.locator("textarea[name=body]")).to_have_value("")
    page.locator("textarea[name=body]").fill("Another one.")
    page.goto(address)
    is_still_there(page)
