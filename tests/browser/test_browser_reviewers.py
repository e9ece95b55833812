"""The reviewers panel as people see it, with scripts and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from apps.demo.cast import PASSWORD
from tests.support.browsing import Person, WithoutJavaScript
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
TITLE = "Let the payment service call the shop"


def panel_of(person: Person) -> Locator:
    person.page.goto("/changes/?q=" + "payment")
    person.open_row(TITLE)
    return person.page.locator("section[id$=-reviewers]")


def test_acceptance_22_the_panel_shows_rule_objects_load_presence_and_why_not(
    chromium: Browser, portal: PortalServer
) -> None:
    alice = Person(chromium, portal.url, "alice", PASSWORD)
    panel = panel_of(alice)
    blocks = panel.locator(".who-block")
    assert blocks.count() >= 2
    for block in blocks.all():
        rule = block.get_by_role("link", name=re.compile(r"CODEOWNERS:\d+")).first
        expect(rule).to_have_attribute("href", re.compile(r"/repositories/harbour/policy/#owners-\d+"))
        expect(block).to_contain_text("touches ")
        for row in block.locator("li:has(.person)").all():
            expect(row).to_contain_text(re.compile(r"\d+ other reviews? open"))
            expect(row).to_contain_text(re.compile(r"here|away until"))
            expect(row).to_contain_text(re.compile(r"reviewed|changed|nothing of theirs is known"))
    expect(panel).to_contain_text(re.compile(r"\d\d:\d\d JST there"))
    panel.get_by_text("Why not others").first.click()
    expect(panel.locator(".who-not li").filter(has_text="@tom")).to_contain_text("away until")
    alice.leave()


def test_without_scripts_a_reviewer_declines_and_the_author_is_told_when_to_remind_again(
    chromium: Browser, portal: PortalServer
) -> None:
    alice = WithoutJavaScript(chromium, portal.url, "alice", PASSWORD)
    panel = panel_of(alice)
    panel.get_by_role("button", name=re.compile("Remind lee")).click()
    alice.see(re.compile("lee is reminded"))
    expect(panel_of(alice)).to_contain_text("can be reminded again")
    alice.leave()
    lee = WithoutJavaScript(chromium, portal.url, "lee", PASSWORD)
    panel_of(lee).get_by_role("link", name="Not me…").first.click()
    lee.write("Why not you", "On another project")
    lee.press("I am not the right person")
    lee.see(re.compile("You are not asked any more"))
    lee.page.goto(lee.page.url + "reviewers/")
    expect(lee.page.locator(".who-not li").filter(has_text="@lee").first).to_contain_text("On another project")
    lee.leave()
