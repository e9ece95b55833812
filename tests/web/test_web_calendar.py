"""The calendar: a week of windows and freezes, in one time zone that is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.errors import InvalidInput
from apps.presentation import calendar_page as pages
from apps.presentation.calendar_page import calendar_page
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
WINDOWS = """\
windows:
  - {name: year end, kind: freeze, environments: [production], from: 2026-12-24T18:00+01:00, to: 2027-01-02T08:00+01:00}
  - {name: nights, kind: allow, environments: [staging], cron: "0 22 * * *", duration: 8h, timezone: Europe/Berlin, holds: [merge, deploy]}
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true") + WINDOWS)


def lane(delivery: Delivery, environment: str, week: str, zone: str = "Europe/Berlin") -> Any:
    page = calendar_page(delivery.people.bob, week=week, zone=zone)
    return next(one for one in page.lanes if one.environment == environment)


def hours(found: Any) -> list[list[str]]:
    return [[f"{mark.kind} {mark.hours}" for mark in marks] for _, marks in found.days]


def test_a_freeze_stands_on_its_days_from_its_hour_to_its_hour(delivery: Delivery) -> None:
    assert hours(lane(delivery, "production", "2026-W52")) == [
        *([[]] * 3),
        ["freeze from 18:00"],
        *([["freeze all day"]] * 3),
    ]
    assert hours(lane(delivery, "production", "2026-W53"))[-2:] == [["freeze until 08:00"], []]


def test_windows_over_midnight_stand_on_both_days_in_the_night_of_the_change_too(delivery: Delivery) -> None:
    found = lane(delivery, "staging", "2026-W43")  # the clocks change in the night to Sunday
    assert hours(found)[5] == ["window until 06:00", "window from 22:00"]
    assert hours(found)[6] == ["window until 05:00", "window from 22:00"]
    assert found.merges


def test_the_same_week_in_another_zone_has_other_hours_and_says_which(delivery: Delivery) -> None:
    page = calendar_page(delivery.people.bob, week="2026-W52", zone="America/New_York")
    assert page.zone == "America/New_York"
    assert hours(lane(delivery, "production", "2026-W52", "America/New_York"))[3] == ["freeze from 12:00"]
    assert (page.previous, page.following) == ("2026-W51", "2026-W53")


def test_it_says_what_is_held_now_until_when_and_which_deployments_wait(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 12, 25, 12, tzinfo=UTC)
    monkeypatch.setattr(pages, "now", lambda: moment)
    held = lane(delivery, "production", "")
    assert (held.state, held.until) == ("frozen", "Sat 2 Jan 2027 08:00 (Europe/Berlin)")
    assert lane(delivery, "staging", "").state == "waiting"


def test_strangers_see_nothing_of_it(delivery: Delivery) -> None:
    assert calendar_page(delivery.people.mallory, week="", zone="UTC").lanes == ()


@pytest.mark.parametrize(
    ("week", "zone"), [("2026-W99", "UTC"), ("soon", "UTC"), ("9999-W01", "UTC"), ("", "Mars/Olympus")]
)
def test_what_is_no_week_or_no_zone_is_told(delivery: Delivery, week: str, zone: str) -> None:
    with pytest.raises(InvalidInput):
        calendar_page(delivery.people.bob, week=week, zone=zone)


def test_the_page_has_it_in_words(delivery: Delivery, client: Client) -> None:
    client.force_login(delivery.people.bob)
    answer = client.get("/calendar/?week=2026-W52&tz=Europe/Berlin")
    text = answer.content.decode()
    assert answer.status_code == 200
    for word in ("<b>Freeze</b> from 18:00", "year end", "<b>Europe/Berlin</b>", 'href="/environments/'):
        assert word in text
    answer = client.get("/calendar/?week=soon&tz=%3Cb%3EBerlin")
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert 'value="soon"' in shown and 'value="&lt;b&gt;Berlin"' in shown and "<b>Berlin" not in shown
