"""A change that adopts drift can be asked for however much has drifted: its text names what fits and counts the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import DriftCheck
from tests.support.drifting import Drifting, drifting

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Drifting]:
    with drifting(tmp_path) as found:
        yield found


def drifted(world: Drifting, target: str, resource: str, count: int) -> None:
    row = DriftCheck.objects.select_related("deployment").filter(environment=world.environment).earliest("pk")
    findings = [
        {
            "resource": resource, "kind": "field", "path": "spec.template", "wanted": "w" * 2000, "found": "f" * 2000,
            "mark": f"{number:064x}",
        }
        for number in range(count)
    ]  # fmt: skip
    DriftCheck.objects.create(
        environment=row.environment, deployment=row.deployment, commit=row.commit, target=target, way="kubernetes",
        state="drifted", findings=findings, marks=[[one["mark"], one["resource"]] for one in findings], more=3,
        not_looked=[], looked_at=count, checked_at=now(), since=now(), is_latest=True,
    )  # fmt: skip


@pytest.mark.parametrize(("length", "most"), [(60, 40), (3000, 13)])
def test_much_drift_of_many_targets_is_adopted(world: Drifting, length: int, most: int) -> None:
    world.check()
    for target in ("a", "b", "c"):
        drifted(world, target, "n" * length, 100)
    text = services.adopt_drift(world.delivery.people.alice, environment=world.environment).description
    named = text.count(": deployed ")
    assert 0 < named <= most
    assert len(text) <= 50_000
    assert text.endswith(f"and {300 + 9 - named} more")
