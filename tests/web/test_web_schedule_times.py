"""The time that the form of a schedule proposes, and what the tick "all the same" stands for."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.services import set_time_zone
from apps.changes.models import ChangeRequest
from apps.deployments.models import MergeSchedule
from tests.support.delivery import Delivery, pipeline
from tests.support.people import PASSWORD

pytestmark = pytest.mark.django_db

TYPED = "%Y-%m-%dT%H:%M"


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def noon_in(days: int) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)


def freeze(name: str, start: datetime, end: datetime) -> str:
    return f"  - {{name: {name}, kind: freeze, holds: [merge], from: {start.isoformat()}, to: {end.isoformat()}}}\n"


def opening(environment: str, at: datetime, lasts: str) -> str:
    """A window of one environment that opens every week at that time."""
    cron = f"{at.minute} {at.hour} * * {at.isoweekday() % 7}"
    return (
        f"  - {{name: for {environment}, kind: allow, holds: [merge], environments: [{environment}], "
        f"cron: '{cron}', duration: {lasts}}}\n"
    )


def approved_with(tmp_path: Path, windows: str) -> ChangeRequest:
    return Delivery.start(tmp_path, pipeline("true", "true") + f"windows:\n{windows}").approved()


def proposed(page: Client, url: str) -> str:
    shown = page.get(url).content.decode()
    found = re.search(r'name="at"(?: value="([^"]*)")?', shown)
    assert found, shown
    return found.group(1) or ""


def test_what_is_proposed_for_several_environments_is_open_in_each(tmp_path: Path) -> None:
    start = noon_in(2)
    common = start + timedelta(hours=3)
    windows = opening("staging", start, "6h") + opening("production", common, "1h")
    change = approved_with(tmp_path, windows)
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    at = proposed(page, url)
    assert at == f"{common:{TYPED}}"
    assert page.post(url, {"at": at}).status_code == 303
    assert MergeSchedule.objects.get().at == common


def test_where_no_time_passes_none_is_proposed_and_the_form_says_why(tmp_path: Path) -> None:
    start = noon_in(2)
    windows = opening("staging", start, "1h") + opening("production", start + timedelta(hours=3), "1h")
    change = approved_with(tmp_path, windows)
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    assert proposed(page, url) == ""
    assert "No time is proposed: something holds it at every time that can be chosen" in page.get(url).content.decode()


def test_a_freeze_that_ends_beyond_what_can_be_chosen_leaves_nothing_to_propose(tmp_path: Path) -> None:
    change = approved_with(tmp_path, freeze("long", noon_in(-1), noon_in(120)))
    assert proposed(signed_in("alice"), f"/changes/{change.number}/schedule/") == ""


def test_what_is_proposed_is_a_full_minute_after_a_freeze(tmp_path: Path) -> None:
    end = noon_in(2) + timedelta(seconds=20)
    change = approved_with(tmp_path, freeze("short", noon_in(-1), end))
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    at = proposed(page, url)
    assert at == f"{noon_in(2) + timedelta(minutes=1):{TYPED}}"
    assert page.post(url, {"at": at}).status_code == 303


def test_a_time_that_the_clocks_show_twice_is_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, and an hour later again
    monkeypatch.setattr("apps.presentation.schedules.now", lambda: twice - timedelta(days=1))
    change = approved_with(tmp_path, freeze("fair", twice - timedelta(days=3), twice))
    assert change.owner is not None
    set_time_zone(change.owner, time_zone="Europe/Berlin")
    assert proposed(signed_in("alice"), f"/changes/{change.number}/schedule/") == "2026-10-25T03:30"


def tick(shown: str) -> tuple[str, bool]:
    """What the tick stands for, and whether it is set."""
    found = re.search(r'<input type="checkbox" name="anyway"[^>]*>', shown)
    assert found, shown
    value = re.search(r'value="([^"]+)"', found.group())
    assert value, found.group()
    return html.unescape(value.group(1)), " checked" in found.group()


def test_all_the_same_is_said_of_one_time_alone(tmp_path: Path) -> None:
    first, other = noon_in(2), noon_in(3)
    change = approved_with(tmp_path, freeze("fair", noon_in(1), noon_in(5)))
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    meant, is_set = tick(page.post(url, {"at": f"{first:{TYPED}}"}).content.decode())
    assert not is_set
    answer = page.post(url, {"at": f"{other:{TYPED}}", "anyway": meant})
    assert answer.status_code == 422 and not MergeSchedule.objects.exists()
    again, is_set = tick(answer.content.decode())
    assert again != meant and not is_set
    assert f"Schedule it all the same for {other:%a} {other.day} {other:%b %Y %H:%M} (UTC)" in answer.content.decode()
    assert page.post(url, {"at": f"{other:{TYPED}}", "anyway": again}).status_code == 303
    assert MergeSchedule.objects.get().at == other


def test_all_the_same_is_said_of_what_held_then(tmp_path: Path) -> None:
    at = noon_in(2)
    delivery = Delivery.start(
        tmp_path, pipeline("true", "true") + "windows:\n" + freeze("fair", noon_in(1), noon_in(3))
    )
    change = delivery.approved()
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    meant, _ = tick(page.post(url, {"at": f"{at:{TYPED}}"}).content.decode())
    answer = page.post(url, {"at": f"{at:{TYPED}}", "anyway": meant.replace("fair", "another")})
    assert answer.status_code == 422 and not MergeSchedule.objects.exists()


def test_a_tick_that_counts_stays_while_something_else_is_wrong(tmp_path: Path) -> None:
    at = noon_in(2)
    change = approved_with(tmp_path, freeze("fair", noon_in(1), noon_in(3)))
    page, url = signed_in("alice"), f"/changes/{change.number}/schedule/"
    meant, _ = tick(page.post(url, {"at": f"{at:{TYPED}}"}).content.decode())
    answer = page.post(url, {"at": f"{at:{TYPED}}", "until": f"{noon_in(1):{TYPED}}", "anyway": meant})
    assert answer.status_code == 422
    assert tick(answer.content.decode()) == (meant, True)
