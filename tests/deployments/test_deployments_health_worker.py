"""What of a command's look has to do with the worker alone: folders of broken-off looks, and faults that are no word about health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deployments.test_deployments_health_commands import look, watched, yaml
from tests.support.delivery import Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3


def test_a_look_removes_what_broken_off_ones_left(tmp_path: Path, later: Any, data_dir: Path) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true")))
    (home,) = (data_dir / "checks").iterdir()
    (home / "0123" / "home").mkdir(parents=True)  # of a worker that was killed
    (home / "tree.0123").mkdir()
    later(11)
    look(row)
    assert [entry.name for entry in home.iterdir()] == ["tree"]
