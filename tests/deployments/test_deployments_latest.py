"""What ran last comes first, whatever its number: in the history, among the deploys, on the public page, and on the board."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.core.paging import LastSeen, moment_page
from apps.deployments import services
from apps.deployments.models import Deployment, Environment, StatusPage
from apps.deployments.queries.board import places_of
from apps.presentation.deployment_list import Wanted, deployment_list
from apps.presentation.environment_history import history_of
from apps.presentation.status_page import public_status
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Two changes that failed in staging, one after another; the older one was tried again, and is live."""
    found = Delivery.start(tmp_path, pipeline('test "$GO" = yes-indeed'))
    older, newer = (found.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("older", "newer"))
    run_until_idle()
    rows = [found.deployment(change) for change in (older, newer)]
    assert [row.status for row in rows] == ["failed", "failed"]
    services.set_secret(found.people.carol, environment=rows[0].environment, name="GO", value="yes-indeed")
    services.retry(found.people.carol, deployment=rows[0])
    run_until_idle()
    return found


def staging() -> Environment:
    return Environment.objects.get(name="staging")


def ended() -> list[Deployment]:
    return list(Deployment.objects.filter(environment=staging()).order_by("number"))


def test_the_history_the_deploys_and_the_public_page_begin_with_what_ran_last(delivery: Delivery) -> None:
    older, newer = ended()
    assert (staging().live_deployment, older.number < newer.number) == (older, True)
    people = delivery.people
    assert [line.deployment for line in history_of(people.bob, staging()).rows] == [older, newer]
    shown = deployment_list(people.bob, Wanted(environment="staging")).rows
    assert list(shown) == [older, newer]
    page = StatusPage.objects.create(
        environment=staging(), slug="s" * 22, is_on=True, updated_by=people.carol, updated_at=now()
    )
    told = [(one.state, one.is_live) for one in public_status(page).last]
    assert told == [("succeeded", True), ("failed", False)]


def test_what_is_live_says_so_in_both_lists(delivery: Delivery) -> None:
    older, newer = ended()
    client = Client()
    client.force_login(delivery.people.bob, backend="apps.accounts.backends.PortalBackend")
    for url in ("/environments/infra/staging/_history/", "/deployments/?environment=staging"):
        html = client.get(url, headers={"HX-Request": "true"}).content.decode()
        rows = re.findall(r"<tr id=.*?</tr>", html, re.DOTALL)
        assert [("Live now" in row, f"/deployments/{one.number}/" in row) for row, one in zip(rows, (older, newer), strict=True)] == [
            (True, True), (False, True),
        ]  # fmt: skip


def test_the_board_does_not_say_that_the_last_one_failed(delivery: Delivery) -> None:
    older, _ = ended()
    assert places_of([staging().pk])[staging().pk].last == older


def test_what_was_live_inside_something_newer_is_not_the_last_that_ran_there(delivery: Delivery) -> None:
    older, newer = ended()
    services.retry(delivery.people.carol, deployment=newer)
    run_until_idle()
    Deployment.objects.filter(pk=older.pk).update(status="failed", became_live=False)
    services.retry(delivery.people.carol, deployment=older)
    run_until_idle()
    older.refresh_from_db()
    assert (older.status, staging().live_deployment) == ("succeeded", newer)
    assert places_of([staging().pk])[staging().pk].last == newer


def test_a_new_attempt_that_waits_stands_where_it_was_asked_for(delivery: Delivery) -> None:
    older, newer = ended()
    services.retry(delivery.people.carol, deployment=newer)
    shown = deployment_list(delivery.people.bob, Wanted(environment="staging")).rows
    assert [(row.pk, row.status) for row in shown] == [(newer.pk, "pending"), (older.pk, "succeeded")]


def test_pages_follow_each_other_also_where_many_began_at_one_moment(delivery: Delivery) -> None:
    run_jobs()
    moment = now()
    Deployment.objects.update(latest_at=moment)
    last = Deployment.objects.latest("number")
    Deployment.objects.filter(pk=last.pk).update(latest_at=moment - timedelta(microseconds=1))
    seen: list[int] = []
    after: LastSeen | None = None
    for _ in range(Deployment.objects.count()):
        page = moment_page(Deployment.objects.all(), moment="latest_at", after=after, limit=1)
        seen += [row.number for row in page.items]
        after = LastSeen.read(str(page.next_after))
    numbers = sorted(Deployment.objects.exclude(pk=last.pk).values_list("number", flat=True), reverse=True)
    assert (seen, after) == ([*numbers, last.number], None)


@pytest.mark.parametrize(
    "text", ["", "9", "a-b", "20261130T222605.123456Z", "20261399T222605.1Z-1", "-1", "20261130T222605.1Z-²"]
)
def test_what_is_no_place_is_the_first_page(text: str) -> None:
    assert LastSeen.read(text) is None
    moment = datetime(2026, 11, 30, 22, 26, 5, 123456, UTC)
    assert LastSeen.read(str(LastSeen(moment, 17))) == LastSeen(moment, 17)


def plan_of(sql: str) -> str:
    if connection.vendor != "sqlite":
        pytest.skip("how it is found is asked of SQLite")
    with connection.cursor() as cursor:
        return " ".join(str(row) for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())


def test_each_list_reads_an_index_in_its_order(delivery: Delivery) -> None:
    after = LastSeen(now(), 5)
    look: tuple[Any, ...] = (
        lambda: deployment_list(delivery.people.bob, Wanted(after=after)),
        lambda: history_of(delivery.people.bob, staging(), after=after),
    )
    for asked in look:
        with CaptureQueriesContext(connection) as seen:
            asked()
        sql = next(one["sql"] for one in seen.captured_queries if '"latest_at" DESC' in one["sql"])
        assert "INDEX deployments_latest_here (environment_id=? AND latest_at<?)" in plan_of(sql)


def test_the_upgrade_fills_in_when_what_is_there_last_began_or_was_asked_for(delivery: Delivery) -> None:
    older, newer = ended()
    moment = now()
    began, again = moment - timedelta(days=2), moment - timedelta(days=1)
    Deployment.objects.update(started_at=None, queued_at=again, latest_at=moment)
    Deployment.objects.filter(pk=older.pk).update(queued_at=began, started_at=again)
    Deployment.objects.filter(pk=newer.pk).update(queued_at=again, started_at=began, status="pending")
    import_module("apps.deployments.migrations.0036_latest_at").fill(apps, None)
    assert set(Deployment.objects.values_list("latest_at", flat=True)) == {again}
