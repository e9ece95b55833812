"""Times that the browser writes on the page of a deployment: in the zone of the account, named, in Chromium."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from apps.accounts.services import set_time_zone
from tests.support.watching import IN_CHROMIUM, NO_SOCKETS, Scene, apart

pytestmark = IN_CHROMIUM
ZONE = "Asia/Kolkata"


def test_lines_and_the_moment_of_a_lost_connection_are_told_in_the_zone_of_the_account(scene: Scene) -> None:
    scene.run()
    scene.write(3)
    apart(lambda: set_time_zone(scene.delivery.people.alice, time_zone=ZONE))
    scene.context.route("**/events/**", lambda route: route.abort())
    page = scene.open(NO_SOCKETS)
    expect(page.locator(".fresh-text")).to_have_text(re.compile(r"state of \d\d:\d\d:\d\d (IST|GMT\+5:30)"))
    expect(page.locator("[data-zone]")).to_have_text(f"Times of lines in {ZONE}")
    line = page.locator("#step-apply-L2 .lt")
    at = datetime.fromtimestamp(int(line.get_attribute("data-t") or 0), ZoneInfo(ZONE))
    expect(line).to_have_text(f"{at:%H:%M:%S}")
    page.locator("#log-times").select_option("utc")
    expect(page.locator("[data-zone]")).to_have_text("Times of lines in UTC")
    expect(line).to_have_text(f"{at.astimezone(ZoneInfo('UTC')):%H:%M:%S}")
    assert " IST" in page.locator(".log-begun").inner_text()
