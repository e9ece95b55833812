"""What changed, and whether the record is whole (acceptance 36 and 37)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.demo.cast import PASSWORD
from tests.support.browsing import Person
from tests.support.server import PASSWORD as MADE
from tests.support.server import PortalServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]
TAMPER = """
from django.db import connection
from apps.audit import triggers
from apps.audit.models import AuditEntry
row = AuditEntry.objects.order_by("seq")[2]
with triggers.suspended(connection):
    AuditEntry.objects.filter(pk=row.pk).update(summary="Nothing happened")
print(row.seq)
"""


def test_acceptance_36_a_deployment_is_found_by_each_of_its_facts_and_the_address_shows_the_same_to_others(
    chromium: Browser, portal: PortalServer
) -> None:
    seeded = portal.api("carol").get("/timeline/?from=2020-01-01&kind=deploy")["results"]
    wanted = next(
        row for row in seeded if any(" in " in thing for thing in row["touched"]) and row["state"] == "succeeded"
    )
    resource = next(thing for thing in wanted["touched"] if " in " in thing)
    path = next(thing for thing in wanted["touched"] if " in " not in thing)
    questions = {
        "Environment": wanted["environment"],
        "Resource or path": resource.upper(),
        "Person": wanted["person"],
        "Incident at (UTC)": "2100-01-01T00:00Z",
    }
    carol, bob = (Person(chromium, portal.url, name, PASSWORD) for name in ("carol", "bob"))
    until = quote(wanted["ended"])  # what the demo goes on with comes later
    link = f"d-{wanted['deployment']}"
    for label, value in [*questions.items(), ("Resource or path", path)]:
        carol.page.goto(f"{portal.url}/timeline/?from=2020-01-01&to={until}&kind=deploy")
        carol.page.get_by_label(label, exact=True).fill(value)  # one
        carol.page.keyboard.press("Enter")  # two
        expect(carol.page.get_by_label("Active filters")).to_contain_text(value)
        row = carol.page.locator("tbody tr", has=carol.page.get_by_role("link", name=link, exact=True))
        expect(row).to_be_visible()
        assert "from=2020-01-01" in carol.page.url
        bob.page.goto(carol.page.url)
        assert texts(bob.page) == texts(carol.page)
    bob.page.goto(f"{portal.url}/timeline/?from=2020-01-01&environment={wanted['environment']}&to=2020-01-02")
    expect(bob.page.get_by_text("Nothing changed")).to_be_visible()
    for person in (carol, bob):
        person.leave()


def texts(page: Page) -> list[str]:
    return page.locator("tbody tr th").all_inner_texts()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PortalServer]:
    """A portal of its own, whose log may be broken."""
    server = PortalServer(tmp_path / "data", local_dirs=[tmp_path]).start()
    server.person("erin", "--administrator")
    yield server
    server.stop()


def test_acceptance_37_the_audit_page_says_what_a_real_check_found_and_is_never_green_without_one(
    chromium: Browser, own: PortalServer
) -> None:
    erin = Person(chromium, own.url, "erin", MADE)
    page = erin.page
    page.goto(f"{own.url}/audit/")
    head = page.locator("#audit-head")
    expect(head).to_contain_text("Not verified")
    expect(page.locator("#audit-head .st--ok")).to_have_count(0)
    verify(page)
    expect(head).to_contain_text("newer entr") if "newer" in head.inner_text() else expect(head).to_contain_text(
        "Verified"
    )
    for moment in page.locator("main time").all():
        assert "UTC" in moment.inner_text() or "UTC" in (moment.get_attribute("title") or ""), moment.inner_text()
    own.person("kim")  # an entry that no check has seen
    page.reload()
    expect(head).to_contain_text("not verified")
    expect(page.locator("#audit-head .st--ok")).to_have_count(0)
    seq = own.manage("shell", "-v0", "-c", TAMPER).splitlines()[-1]
    verify(page)
    expect(page.get_by_role("alert")).to_contain_text(f"BROKEN at entry {seq}")
    expect(page.locator("#audit-head .st--ok")).to_have_count(0)
    erin.leave()


def verify(page: Page) -> None:
    page.get_by_role("button", name="Verify now").click()
    page.wait_for_load_state()
