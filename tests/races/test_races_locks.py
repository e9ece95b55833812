"""Locks of rows on PostgreSQL: what waited for one sees the row as it became, and references to a locked row wait for nobody."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.audit import services as audit
from apps.changes.models import ChangeRequest
from apps.changes.transitions import append_revision, lock_change
from apps.core.clock import now
from apps.deployments.models import Deployment
from apps.deployments.transitions import wake_pending
from tests.support.delivery import Delivery, pipeline

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_waited_for_a_change_sees_the_revision_that_came_meanwhile(tmp_path: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip(f"this run is on {connection.vendor}")
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    stale = ChangeRequest.objects.get(pk=change.pk)
    head = delivery.work.commit("more", files={"more": "2\n"})
    delivery.work.push("HEAD:refs/heads/elsewhere")
    from apps.repositories.services import synchronise

    synchronise(delivery.repository.pk)
    seen: list[int] = []

    def look() -> None:
        try:
            with transaction.atomic():
                locked = lock_change(stale)
                seen.append(locked.revision.number if locked.revision else 0)
        finally:
            connections.close_all()

    with transaction.atomic():
        target = change.revision.target_oid if change.revision else ""
        append_revision(change, cause="pushed", head=head, target=target, actor=delivery.people.alice)
        waiting = threading.Thread(target=look)
        waiting.start()
        time.sleep(0.5)
        assert not seen, "it waits for the lock"
    waiting.join(20)
    assert seen == [2]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_holds_the_log_waits_for_no_deployment_that_is_judged(tmp_path: Path) -> None:
    """A row and then the log, against the log and then the row: PostgreSQL ended one of the two after a second."""
    if connection.vendor != "postgresql":
        pytest.skip(f"this run is on {connection.vendor}")
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    judged, other = delivery.deployment(change), delivery.deployment(change, "production")
    later = now() + timedelta(hours=1)
    Deployment.objects.update(check_at=later)
    holds_log, problems = threading.Event(), []

    def wake() -> None:
        try:
            with transaction.atomic():
                audit.hold_log()
                holds_log.set()
                wake_pending(delivery.repository.pk)
        except OperationalError as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    waking = threading.Thread(target=wake)
    with transaction.atomic():
        Deployment.objects.select_for_update(no_key=True).get(pk=judged.pk)
        waking.start()
        assert holds_log.wait(20)
        audit.hold_log()
    waking.join(20)
    assert problems == []
    judged.refresh_from_db()
    other.refresh_from_db()
    assert judged.check_at == later
    assert other.check_at is not None and other.check_at < later


LASTING = {
    "team",
    "repository",
    "requester",
    "change",
    "change__repository",
    "created_by",
    "user",
    "environment",
    "environment__repository",
    "holder",
}
"""References that are never empty and never exchanged (a lock of an environment is replaced, its holder is not)."""
LOCKS = re.compile(r"select_for_update\((?P<how>[^)]*\)?[^)]*)\)(?P<rest>(?:[^\n]*\n){4})")


def locks() -> list[tuple[str, str, str]]:
    return [
        (str(path.relative_to(ROOT)), found["how"], found["rest"])
        for path in sorted((ROOT / "apps").rglob("*.py"))
        for found in LOCKS.finditer(path.read_text(encoding="utf-8"))
    ]


def test_every_lock_of_a_row_lets_others_refer_to_it() -> None:
    """Foreign keys are checked when a transaction commits, with the log held: a stronger lock would be a deadlock."""
    assert len(locks()) > 20
    assert [(path, how) for path, how, _ in locks() if "no_key=True" not in how] == []


def test_no_lock_joins_what_may_be_exchanged() -> None:
    """PostgreSQL joins what was before to a row for which it waited: see ``lock_change``."""
    joined = {
        (path, name)
        for path, _, rest in locks()
        for names in re.findall(r"select_related\(([^)]*)\)", rest)
        for name in re.findall(r'"(\w+)"', names)
    }
    assert len(joined) > 5
    assert {(path, name) for path, name in joined if name not in LASTING} == set()
