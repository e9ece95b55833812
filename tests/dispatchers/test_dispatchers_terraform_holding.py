"""A plan that waits for its comparison is not applied any more once something holds the environment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from apps.core.clock import now
from apps.deployments import queries, services
from apps.deployments.models import Attempt
from tests.dispatchers.test_dispatchers_terraform import step_until, wait_for
from tests.support.outside import step_engine, until
from tests.support.terraform_state import state_server
from tests.support.terraform_world import PASSWORD, USER, World, begun
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    toolbox("terraform")
    with state_server(USER, PASSWORD) as found:
        yield begun(tmp_path, found)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_it_is_told_to_stop_and_ends_with_its_supervisor(world: World, tmp_path: Path, *, is_cancelled: bool) -> None:
    serial = world.serial()
    row = world.merged()
    step_until(lambda: Attempt.objects.filter(deployment=row).exclude(external_run={}).exists(), row)
    step_engine()
    wait_for(tmp_path, "steps/2/started")
    Attempt.objects.update(started_at=now() - timedelta(minutes=1))
    services.lock_environment(world.delivery.people.carol, environment=row.environment, reason="a migration")
    step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    if is_cancelled:
        services.cancel(world.delivery.people.carol, deployment=row)
    row = until(row, "failed", "cancelled", "unknown", "succeeded", seconds=60)
    assert row.status == ("cancelled" if is_cancelled else "failed")
    if not is_cancelled:
        assert row.problem.startswith("It was planned, not applied: by now it may not go on.")
        assert "a migration" in row.problem
    assert [str(step.status) for step in queries.steps_of(row)][2:] == ["cancelled", "skipped"]
    assert world.serial() == serial
    assert list(tmp_path.rglob("steps/2/result.json")) == []
