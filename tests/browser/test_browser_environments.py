"""The board of environments in a browser (acceptance 35)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from apps.demo.cast import PASSWORD
from tests.support.browsing import Person
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.slow
def test_acceptance_35_the_board_says_in_words_what_is_known_and_grey_what_is_not(
    chromium: Browser, portal: PortalServer
) -> None:
    carol = Person(chromium, portal.url, "carol", PASSWORD)
    page = carol.page
    page.goto(f"{portal.url}/environments/")
    shared = page.locator(
        "#board-head-harbour"
    )  # one deployment brings all services of an environment: it is told once
    staging, production = (shared.locator(f"[data-label={name}]") for name in ("staging", "production"))
    expect(staging).to_contain_text("Up to date")
    expect(staging.locator(".st--neu", has_text="Health not checked")).to_be_visible()
    expect(production).to_contain_text("Behind by")
    expect(staging.locator(".st--warn", has_text="Drift: 1 field in 1 resource")).to_be_visible()
    expect(production.locator(".place-word", has_text="In sync")).to_contain_text("checked")
    expect(page.locator("#board .st--warn", has_text="Drift:")).to_have_count(1)
    for name in ("staging", "production"):
        expect(page.locator(f"[id='env-{name}:harbour:web']")).to_have_text(
            re.compile(rf"^\s*[0-9a-f]{{10}} live in {name}\s*$")
        )
    expect(page.locator("#board .st--ok").filter(has_not_text="In sync")).to_have_count(0)
    page.get_by_label("State", exact=True).select_option("deploying")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(f"{portal.url}/environments/?q=&repository=&environment=&state=deploying&drift=&behind=")
    carol.leave()
