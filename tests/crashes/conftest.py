"""Processes to be killed, and a world in which something is decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.crashing import Victims, World
from tests.support.delivery import Delivery, pipeline


@pytest.fixture(autouse=True)
def _right_engine(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.PORTAL_LEASE_SECONDS = 1
    found = getattr(request.node, "callspec", None)
    engine = found.params.get("engine", connection.vendor) if found else connection.vendor
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Victims]:
    with Victims(tmp_path_factory.mktemp("victims")) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, victims: Victims) -> World:
    witness = tmp_path / "witness"
    step = f"echo $PORTAL_CHANGE:$PORTAL_ENVIRONMENT >> {witness}"
    return World(Delivery.start(tmp_path, pipeline(step, step)), witness, victims)
