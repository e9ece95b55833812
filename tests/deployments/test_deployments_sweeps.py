"""What is asked every few seconds costs the same however much there is, and sees all of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.deployments.jobs import health, tidying

pytestmark = [pytest.mark.django_db]
BOTH = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
SWEEPS = pytest.mark.parametrize(
    ("due", "index"), [(health.rollbacks_due, "rollbacks_due"), (tidying.attempts_due, "attempts_with_workspace")]
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
