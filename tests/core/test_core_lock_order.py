"""The watcher of ADR 26 sees what comes too late, on both databases, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction

from apps.audit.services import hold_log
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_all, lock_change
from tests.support.delivery import Delivery, pipeline
from tests.support.lock_order import LOCK_ORDER

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[list[ChangeRequest]]:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    yield [delivery.proposed(name) for name in ("one", "two")]
    LOCK_ORDER.found.clear()  # it was the test's own doing


def test_a_change_that_is_locked_after_the_log_is_seen(changes: list[ChangeRequest]) -> None:
    with transaction.atomic():
        lock_change(changes[0])
        hold_log()
        lock_change(changes[0])
        ChangeRequest.objects.filter(pk=changes[0].pk).update(title="Mine")
        assert LOCK_ORDER.found == []
        lock_change(changes[1])
    (said,) = LOCK_ORDER.found
    assert said.startswith("changes_changerequest after the head of the log: ")
    assert "test_core_lock_order.py:test_a_change" in said


def test_a_change_that_is_written_after_the_log_is_seen(changes: list[ChangeRequest]) -> None:
    with transaction.atomic():
        hold_log()
        ChangeRequest.objects.filter(pk=changes[1].pk).update(title="Not mine")
    assert len(LOCK_ORDER.found) == 1


def test_what_was_locked_together_and_what_another_transaction_did_is_in_order(changes: list[ChangeRequest]) -> None:
    with transaction.atomic():
        lock_all([change.pk for change in changes])
        hold_log()
        with transaction.atomic():
            ChangeRequest.objects.filter(pk=changes[1].pk).update(title="Mine")
    with transaction.atomic():
        ChangeRequest.objects.filter(pk=changes[0].pk).update(title="Mine")
    assert LOCK_ORDER.found == []
