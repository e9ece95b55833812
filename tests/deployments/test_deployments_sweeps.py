"""What is asked every few seconds costs the same however much there is, and sees all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.jobs import automatic, drifting, health, tidying
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = [pytest.mark.django_db]
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
SWEEPS = pytest.mark.parametrize(
    ("due", "index"),
    [
        (health.rollbacks_due, "rollbacks_due"),
        (tidying.attempts_due, "attempts_with_workspace"),
        (drifting.drift_due, "deployments_driftwatch_next_at"),
    ],
)


@BOTH
@SWEEPS
def test_a_sweep_reads_an_index_of_what_is_due_and_no_whole_table(engine: str, due: Any, index: str) -> None:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")
    with CaptureQueriesContext(connection) as seen:
        due(100)
    (asked,) = (row["sql"] for row in seen.captured_queries)
    with connection.cursor() as cursor:
        if engine == "postgresql":  # of a table without rows it would read the whole
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"{'EXPLAIN' if engine == 'postgresql' else 'EXPLAIN QUERY PLAN'} {asked}")
        steps = " ".join(str(row) for row in cursor.fetchall())
    assert index in steps


def test_changes_that_failed_and_were_left_hide_no_finished_one(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("exit 3"))
    left = [delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in ("one", "two")]
    run_until_idle()
    done = delivery.merged("three", {"app/three.yaml": "a: 1\n"})
    Deployment.objects.filter(change__in=left).update(status="failed", ended_at=now())
    rows = Deployment.objects.filter(change=done)
    assert automatic.changes_due(1) == []
    rows.update(status="failed", ended_at=now())
    staging, production = rows.order_by("environment__position")
    assert automatic.changes_due(9) == []
    rows.filter(pk=production.pk).update(status="succeeded")
    again(staging, status="succeeded")
    with CaptureQueriesContext(connection) as seen:
        assert automatic.changes_due(1) == [done.pk]
    assert len(seen) == 1
    again(production, status="failed")
    assert automatic.changes_due(9) == []
    automatic.finish_change(done.pk)
    assert ChangeRequest.objects.filter(pk__in=[one.pk for one in (*left, done)], status="merged").count() == 3
    Deployment.objects.filter(change=done).latest("number").delete()
    automatic.finish_change(done.pk)
    done.refresh_from_db()
    assert (done.status, automatic.changes_due(9)) == ("done", [])


def again(row: Deployment, **columns: Any) -> None:
    """A newer deployment of the same change to the same environment."""
    row.pk, row.number = None, Deployment.objects.latest("number").number + 1
    for name, value in {"ended_at": now(), **columns}.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def test_what_is_looked_at_for_drift_is_found_without_what_ran_and_was_found_there() -> None:
    with CaptureQueriesContext(connection) as seen:
        drifting.drift_due(100)
    (asked,) = (row["sql"] for row in seen.captured_queries)
    assert '"next_at" <= ' in asked
    assert "every_seconds" not in asked
    assert "driftcheck" not in asked


def test_roll_backs_that_may_not_merge_yet_keep_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    one, two = (delivery.proposed(name, {f"app/{name}.yaml": "a: 1\n"}).pk for name in ("one", "two"))
    assert automatic.merges_due(9) == []
    automatic.merge_when_allowed(one)
    assert not ChangeRequest.objects.exclude(merge_check_at=None).exists(), "nobody asked for it"
    ChangeRequest.objects.update(merge_when_allowed_by=delivery.people.carol)
    assert automatic.merges_due(1) == [one]
    automatic.merge_when_allowed(one)
    assert automatic.merges_due(9) == [two], "another engine does not judge it at once"
    monkeypatch.setattr(automatic.access, "can_merge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        automatic.merge_when_allowed(two)
    assert automatic.merges_due(9) == []
    ChangeRequest.objects.update(merge_check_at=now())
    ChangeRequest.objects.filter(pk=two).update(merge_check_at=now() - automatic.LOOK_AGAIN)
    assert automatic.merges_due(9) == [two, one], "the one that was judged longest ago"
