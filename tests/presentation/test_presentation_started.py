"""The header of a deployment names who asked for it, and who had the attempt run that is shown: a person, or nobody."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.deployments.services import scheduling
from apps.presentation.started import started
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
BY_HAND = pipeline("exit 1").replace("local, steps: [{name: apply, run: 'exit 1'", "local, start: manual, steps: [{name: apply, run: 'exit 1'")  # fmt: skip


def header(delivery: Delivery, row: Deployment, attempt: int | None = None) -> str:
    client = Client()
    client.force_login(delivery.people.alice)
    html = client.get(f"/deployments/{row.number}/_header/", {"attempt": attempt} if attempt else {}).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_what_starts_by_itself_says_so_and_after_which_environment(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    first = delivery.deployment(change)
    assert "started by" not in header(delivery, first), "it has not begun yet"
    run_until_idle()
    shown = header(delivery, first)
    assert "asked for by" in shown
    assert "started by itself" in shown
    assert "started by itself after" not in shown, "it is the first"
    assert "started by itself after staging" in header(delivery, delivery.deployment(change, "production"))


def test_who_pressed_start_and_who_tried_again_are_named_each_with_their_attempt(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    services.release(delivery.people.carol, deployment=row)
    assert "started by @carol" in header(delivery, row)
    run_until_idle()
    assert "started by @carol" in header(delivery, row)
    row.refresh_from_db()
    services.retry(delivery.people.alice, deployment=row)
    assert "tried again by @alice" in header(delivery, row), "while it waits"
    run_until_idle()
    assert "tried again by @alice" in header(delivery, row)
    before = header(delivery, row, attempt=1)
    assert "started by @carol" in before
    assert "tried again" not in before


def test_who_asks_and_starts_in_one_act_is_named_once_and_a_schedule_names_its_owner(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, BY_HAND)
    change = delivery.merged()
    row = delivery.deployment(change)
    scheduling.schedule_deployment(delivery.people.carol, deployment=row, at=now() + timedelta(hours=2))
    assert "scheduled by @carol" in header(delivery, row)
    scheduling.schedule_deployment(delivery.people.carol, deployment=row, at=None)
    assert "@carol" not in header(delivery, row)
    services.cancel(delivery.people.carol, deployment=row)
    again = services.start_deployment(delivery.people.carol, change=change, environment="staging")
    shown = header(delivery, again)
    assert "asked for and started by" in shown
    assert shown.count("carol") == 1


def test_it_is_one_query_and_says_nothing_where_nothing_is_on_record(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    with CaptureQueriesContext(connection) as made:
        started(row, 0)
    assert len(made) == 1
    Deployment.objects.filter(pk=row.pk).update(number=row.number + 1000)
    row.refresh_from_db()
    assert started(row, 0).words == ""
