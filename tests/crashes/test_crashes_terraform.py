"""kill -9 of the worker that starts, or compares, a run of Terraform: it goes on, and applies once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import services
from apps.deployments.models import Attempt, Deployment
from tests.support.crashing import KILLED, Victims, sweep_until
from tests.support.terraform_state import state_server
from tests.support.terraform_world import PASSWORD, USER, begun
from tests.support.tools import toolbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def victims(tmp_path: Path, django_db_setup: None) -> Iterator[Victims]:
    (tmp_path / "victims").mkdir()
    with Victims(tmp_path / "victims") as running:
        yield running


@pytest.mark.parametrize("time", [1, 2])
def test_a_worker_killed_after_the_start_or_the_comparison_leaves_one_apply(
    tmp_path: Path, victims: Victims, settings: Any, time: int
) -> None:
    """K13 strikes first where the supervisor was started, then where the verdict was written."""
    settings.PORTAL_LEASE_SECONDS = 1
    toolbox("terraform")
    with state_server(USER, PASSWORD) as server:
        world = begun(tmp_path, server)
        change = world.proposed()
        serial = world.serial()
        world.delivery.approve(change)
        change.refresh_from_db()
        services.merge_change(world.delivery.people.alice, change=change)
        assert victims.run("sweep", {"seconds": 60.0}, failpoint=f"K13:kill:{time}") == KILLED
        sweep_until(lambda: Deployment.objects.filter(change=change, status="succeeded").exists(), 60)
        assert Attempt.objects.filter(deployment__change=change).count() == 1
        assert world.inputs()["a"]["size"] == "large"
        writes = [path for method, path in server.asked if method == "POST" and path.startswith("/net")]
        assert json.loads(server.states["/net"])["serial"] > serial
        assert len({path.partition("ID=")[2] for path in writes}) == 2, writes  # one lock, and so one apply, each
