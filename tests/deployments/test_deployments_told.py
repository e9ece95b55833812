"""What a pending deployment waits for is on the board and on the page of its change; both are told when that is different."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.jobs.starting import start
from apps.deployments.signals import environment_changed
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
Committing = Callable[..., AbstractContextManager[list[Any]]]


@pytest.fixture
def told() -> Iterator[list[tuple[int, int | None]]]:
    found: list[tuple[int, int | None]] = []

    def hear(sender: object, *, environment_id: int, change_id: int | None = None, **_: object) -> None:
        found.append((environment_id, change_id))

    environment_changed.connect(hear)
    yield found
    environment_changed.disconnect(hear)


def test_waits_that_are_others_now_are_told_once(
    tmp_path: Path, told: list[tuple[int, int | None]], django_capture_on_commit_callbacks: Committing
) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true"))
    row = delivery.deployment(delivery.merged(), "production")
    for _ in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            start(row.pk)
    row.refresh_from_db()
    assert [wait["code"] for wait in row.waits] == ["promotion"]
    assert told == [(row.environment_id, row.change_id)]


def test_acts_on_what_waits_are_told(
    tmp_path: Path, told: list[tuple[int, int | None]], django_capture_on_commit_callbacks: Committing
) -> None:
    text = pipeline("true").replace("staging:\n    deploy: {", "staging:\n    deploy: {start: manual, ")
    delivery = Delivery.start(tmp_path, text)
    row = delivery.deployment(delivery.merged())
    at = now() + timedelta(hours=1)
    carol = delivery.people.carol
    acts: list[Callable[[], object]] = [
        lambda: services.schedule_deployment(carol, deployment=row, at=at),
        lambda: services.schedule_deployment(carol, deployment=row, at=None),
        lambda: services.release(carol, deployment=row),
    ]
    for number, act in enumerate(acts, start=1):
        with django_capture_on_commit_callbacks(execute=True):
            act()
        assert told == [(row.environment_id, row.change_id)] * number
