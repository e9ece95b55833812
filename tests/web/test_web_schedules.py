"""Scheduling in the browser without JavaScript: a time on one's own clock, and the calendar with what gets in the way."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.services import set_time_zone
from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment, MergeSchedule
from apps.deployments.services import schedule_merge
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.people import PASSWORD

pytestmark = pytest.mark.django_db


def client_of(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def meant(shown: str) -> str:
    """What the tick of the page stands for."""
    found = re.search(r'name="anyway"[^>]* value="([^"]+)"', shown)
    assert found, shown
    return html.unescape(found.group(1))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def test_a_time_is_read_on_the_clock_of_the_person(delivery: Delivery) -> None:
    change = delivery.approved()
    set_time_zone(delivery.people.alice, time_zone="Europe/Berlin")
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    page = client_of("alice")
    assert "In the time of Europe/Berlin" in page.get(f"/changes/{change.number}/schedule/").content.decode()
    answer = page.post(f"/changes/{change.number}/schedule/", {"at": f"{day}T14:30"})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    at = MergeSchedule.objects.get().at
    assert at.astimezone(UTC).hour in {12, 13}  # summer or winter
    overview = page.get(f"/changes/{change.number}/").content.decode()
    assert "Scheduled" in overview
    assert "Take back" in overview
    assert page.post(f"/changes/{change.number}/schedule/cancel/").status_code == 303
    assert MergeSchedule.objects.get().outcome == "cancelled"


@pytest.mark.parametrize(
    "typed",
    [
        "2027-03-28T02:30",
        "2026-10-25T02:30",
        "tomorrow",
        "",
        "2020-01-01T10:00",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
    ],
)
def test_a_time_that_nobody_can_mean_comes_back_with_the_form(delivery: Delivery, typed: str) -> None:
    change = delivery.approved()
    set_time_zone(delivery.people.alice, time_zone="Europe/Berlin")
    answer = client_of("alice").post(f"/changes/{change.number}/schedule/", {"at": typed})
    assert answer.status_code == 422
    assert "Schedule the merge" in answer.content.decode()
    assert not MergeSchedule.objects.exists()


def test_the_form_proposes_a_time_after_the_freeze(tmp_path: Path) -> None:
    end = (datetime.now(UTC) + timedelta(days=3)).replace(hour=11, minute=0, second=0, microsecond=0)
    freeze = (
        f"windows: [{{name: fair, kind: freeze, holds: [merge], from: 2026-01-01T00:00Z, to: {end.isoformat()}}}]\n"
    )
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + freeze)
    page = client_of("alice").get(f"/changes/{delivery.approved().number}/schedule/").content.decode()
    assert f"{end:%Y-%m-%dT%H:%M}" in page


def test_a_time_inside_a_freeze_has_to_be_meant_and_the_calendar_says_it(tmp_path: Path) -> None:
    start = (datetime.now(UTC) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = start + timedelta(days=1)
    window = f"{{name: fair, kind: freeze, from: {start.isoformat()}, to: {end.isoformat()}, environments: [staging]}}"
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + f"windows: [{window}]\n")
    row, page = delivery.deployment(delivery.merged()), client_of("alice")
    url, typed = f"/deployments/{row.number}/schedule/", {"at": f"{start:%Y-%m-%d}T10:00"}
    assert "all the same" not in page.get(url).content.decode()
    answer = page.post(url, typed)
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert "fair freezes it then, until" in shown and "Schedule it all the same" in shown
    assert Deployment.objects.get(pk=row.pk).start_at is None
    assert page.post(url, {**typed, "anyway": "on"}).status_code == 422
    assert page.post(url, {**typed, "anyway": meant(shown)}).status_code == 303
    assert Deployment.objects.get(pk=row.pk).start_at is not None
    week = page.get(f"/calendar/?week={start:%G-W%V}").content.decode()
    assert "fair freezes it then" in week
    assert page.post(url, {"at": f"{end:%Y-%m-%d}T10:00"}).status_code == 303


def test_a_deployment_is_scheduled_on_its_page(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    page = client_of("alice")
    assert "Schedule…" in page.get(f"/deployments/{row.number}/").content.decode()
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    assert page.post(f"/deployments/{row.number}/schedule/", {"at": f"{day}T10:00"}).status_code == 303
    assert Deployment.objects.get(pk=row.pk).start_at is not None
    run_jobs("deployments.start")
    shown = page.get(f"/deployments/{row.number}/").content.decode()
    assert f"Scheduled for {day} 10:00 UTC by" in shown
    assert page.post(f"/deployments/{row.number}/schedule/cancel/").status_code == 303
    assert Deployment.objects.get(pk=row.pk).start_at is None


def test_a_mirror_that_cannot_be_read_does_not_take_the_calendar_away(delivery: Delivery) -> None:
    row, page = delivery.deployment(delivery.merged()), client_of("alice")
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    assert page.post(f"/deployments/{row.number}/schedule/", {"at": f"{day}T10:00"}).status_code == 303
    delivery.repository.mirror_path.rename(delivery.repository.mirror_path.with_name("gone"))
    answer = page.get(f"/calendar/?week={day:%G-W%V}")
    assert answer.status_code == 200
    assert row.label in answer.content.decode()


def test_each_environment_that_a_merge_reaches_is_asked_for_itself(tmp_path: Path) -> None:
    start = (datetime.now(UTC) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    windows = "windows:\n" + "".join(
        f"  - {{name: for {name}, kind: allow, holds: [merge], environments: [{name}], cron: '0 0 * * {day.isoweekday() % 7}', duration: 24h}}\n"
        for name, day in (("staging", start), ("production", start + timedelta(days=3)))
    )
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + windows)
    change, page = delivery.approved(), client_of("alice")
    answer = page.post(f"/changes/{change.number}/schedule/", {"at": f"{start:%Y-%m-%d}T10:00"})
    assert answer.status_code == 422
    assert "It is outside of for production then" in answer.content.decode()


def planned(delivery: Delivery, name: str, content: dict[str, str | bytes], at: datetime) -> ChangeRequest:
    change = delivery.proposed(name, content)
    run_jobs("changes.plan_renderings", "changes.find_overlaps")
    run_jobs("changes.compare_overlap")
    schedule_merge(delivery.people.carol, change=change, at=at)
    return change


def test_the_calendar_names_what_gets_in_each_others_way(delivery: Delivery) -> None:
    now = datetime.now(UTC).replace(hour=12, minute=0)
    start = now + timedelta(days=9 - now.weekday())  # Wednesday of the next week
    one = planned(delivery, "one", {"app/values.yaml": "replicas: 2\n"}, start)
    two = planned(delivery, "two", {"app/values.yaml": "replicas: 3\n"}, start + timedelta(minutes=30))
    far = planned(delivery, "far", {"app/values.yaml": "replicas: 4\n"}, start + timedelta(days=4))
    week = f"{start:%G-W%V}"
    page = client_of("bob").get(f"/calendar/?week={week}").content.decode()
    assert f"Merge of {one.label}" in page
    assert f"Merge of {two.label} is near it: the same environment, staging, production" in page
    assert "both touch the same (1)" in page
    assert "the same people, alice, carol" in page
    assert f"{far.label} is near it" not in page
    assert "Merge of" not in client_of("mallory").get(f"/calendar/?week={week}").content.decode()
