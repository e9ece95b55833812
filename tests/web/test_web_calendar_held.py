"""A window inside a freeze is not open: the calendar says what holds it, for just the hours in which that is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from apps.policies.config import DEPLOY, MERGE, WindowConfig
from apps.presentation.calendar_marks import marks_of
from tests.support.delivery import Delivery, pipeline

DAY = datetime(2026, 12, 4, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
WINDOWS = """\
windows:
  - {name: the sale, kind: freeze, environments: [production], from: 2026-12-04T17:00Z, to: 2026-12-07T08:00Z}
  - {name: days, kind: allow, environments: [production], cron: "0 9 * * *", duration: 10h}
"""


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def window(
    name: str, start: float, end: float, *, kind: str = "allow", holds: tuple[str, ...] = (DEPLOY,)
) -> WindowConfig:
    return WindowConfig(name=name, kind=kind, environments=(), start=at(start), end=at(end), holds=holds)


def said(*windows: WindowConfig) -> list[tuple[str, str, str]]:
    return [(mark.name, mark.hours, mark.held_by) for mark in marks_of(windows, DAY, at(24), ZONE)]


def test_a_window_is_cut_where_a_freeze_begins_and_ends() -> None:
    found = said(window("days", 9, 19), window("lunch", 12, 13, kind="freeze"))
    assert found == [
        ("lunch", "12:00–13:00", ""), ("days", "09:00–12:00", ""), ("days", "12:00–13:00", "freeze lunch"), ("days", "13:00–19:00", ""),
    ]  # fmt: skip


def test_all_of_it_is_held_also_by_two_freezes_one_after_the_other() -> None:
    assert said(window("days", -1, 30), window("sale", -9, 99, kind="freeze"))[1:] == [
        ("days", "all day", "freeze sale")
    ]
    two = said(window("days", 9, 19), window("a", 8, 14, kind="freeze"), window("b", 12, 20, kind="freeze"))
    assert two[2:] == [
        ("days", "09:00–12:00", "freeze a"), ("days", "12:00–14:00", "freezes a, b"), ("days", "14:00–19:00", "freeze b"),
    ]  # fmt: skip


def test_a_freeze_of_something_else_holds_nothing_and_of_a_part_says_which() -> None:
    both = (MERGE, DEPLOY)
    merges = window("merges", 0, 24, kind="freeze", holds=(MERGE,))
    assert said(window("days", 9, 19), merges)[1:] == [("days", "09:00–19:00", "")]
    assert said(window("days", 9, 19, holds=both), merges)[1:] == [
        ("days", "09:00–19:00", "freeze merges (merge only)")
    ]


def test_a_window_before_and_after_a_freeze_is_whole() -> None:
    assert said(window("days", 9, 12), window("night", 12, 20, kind="freeze"))[1:] == [("days", "09:00–12:00", "")]


@pytest.mark.django_db
def test_the_page_says_it_in_words_and_by_another_picture(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + WINDOWS)
    client = Client()
    client.force_login(delivery.people.bob, backend="apps.accounts.backends.PortalBackend")
    html = " ".join(client.get("/calendar/?week=2026-W49&tz=UTC").content.decode().split())
    assert html.count('class="mark mark--held"') == 3, "the end of Friday, and the two days behind it"
    assert html.count("held by freeze the sale") == 3
    assert html.count('class="mark mark--window"') == 5
    assert '<b>Window</b> 17:00–19:00 <span class="muted">days</span> <span>held by freeze the sale</span>' in html
