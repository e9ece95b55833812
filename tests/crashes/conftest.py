"""Processes to be killed, and a world in which something is decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.crash_rounds import world_of
from tests.support.crashing import Victims, World


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
def world(request: pytest.FixtureRequest, tmp_path: Path, victims: Victims) -> World:
    """Of the point that the test is about, if it names one."""
    found = getattr(request.node, "callspec", None)
    return world_of(found.params.get("point", "") if found else "", tmp_path, victims)
