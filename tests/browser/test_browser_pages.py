"""Every page, as the people who use it: accessible in four looks, no wider than a telephone, nothing to complain about."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, StorageState

from apps.demo.cast import PASSWORD
from tests.api.role_table_pages import ROWS
from tests.support.browsing import Person
from tests.support.looking import walk
from tests.support.page_list import NOT_PAGES, PAGES, STATUS_PAGE, walked
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_acceptance_1_no_page_is_missing_in_the_walk() -> None:
    readable = {row.call.removeprefix("GET "): row for row in ROWS if row.call.startswith("GET ")}
    pages = {name for name, row in readable.items() if "200" in row.statuses.values() and not _is_part(name, row.args)}
    assert pages - NOT_PAGES - walked() == set(), "add an address of each to tests/support/page_list.py"


def _is_part(name: str, args: dict[str, str]) -> bool:
    """Whether the route answers a part of a page (UX §2.1: its address has a segment that begins with “_”)."""
    numbers = {key: 1 if "{" in str(value) and key != "repository" else value for key, value in args.items()}
    return "/_" in reverse(f"web:{name}", kwargs=numbers)


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, portal: PortalServer) -> dict[str, StorageState | None]:
    """The cookies of everybody who walks."""
    wanted = {"is_on": True, "slug": STATUS_PAGE, "shows_titles": True, "shows_people": True}
    portal.api("carol").client.put("/environments/harbour/production/status-page/", json=wanted).raise_for_status()
    secret = "/environments/harbour/staging/secrets/PAGES/"
    portal.api("carol").client.put(secret, json={"value": "of-the-pages"}).raise_for_status()
    states: dict[str, StorageState | None] = {"": None}
    for name in filter(None, PAGES):
        person = Person(chromium, portal.url, name, PASSWORD)
        states[name] = person.context.storage_state()
        person.leave()
    return states


@pytest.mark.slow
@pytest.mark.parametrize("who", PAGES, ids=lambda name: name or "nobody")
def test_acceptance_1_7_and_39_pages_are_accessible_quiet_and_narrow_enough(
    who: str, chromium: Browser, portal: PortalServer, signed_in: dict[str, StorageState | None]
) -> None:
    assert walk(chromium, portal.url, PAGES[who], state=signed_in[who]) == {}
