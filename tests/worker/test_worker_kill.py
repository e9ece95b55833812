"""kill -9 of real engines: resumed or reported, never run twice, nothing lost; no wake-up ever reaches them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import queries, services
from apps.deployments.models import Deployment, MergeIntent
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import engine, wait_until

BOTH_DATABASES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(params=BOTH_DATABASES)
def on_database(request: Any) -> str:
    from django.db import connection

    if connection.vendor != request.param:
        pytest.skip(f"NOT RUN: the tests run on {connection.vendor}, not on {request.param}")
    return str(request.param)


def gated(witness: Path, name: str) -> str:
    """A step that notes its run, prints, and goes on when the test opens its gate."""
    return f"echo {name} >> {witness}; echo {name} begins; until [ -e {witness}.{name} ]; do sleep 0.05; done; echo {name} ends"


def has_begun(witness: Path, name: str) -> bool:
    return witness.exists() and name in witness.read_text().split()


def test_killed_in_every_step_nothing_runs_twice(tmp_path: Path, on_database: str) -> None:
    witness = tmp_path / "witness"
    steps = ", ".join(f"{{name: {name}, run: {gated(witness, name)!r}}}" for name in ("apply", "verify"))
    yaml = pipeline().replace("{name: apply, run: 'cat app/values.yaml', timeout: 60s}", steps)
    delivery = Delivery.start(tmp_path, yaml)
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    for name in ("apply", "verify"):
        with engine(tmp_path) as running:
            wait_until(lambda name=name: has_begun(witness, name))  # type: ignore[misc]
            running.kill()
        (tmp_path / f"witness.{name}").touch()
    with engine(tmp_path) as running:
        wait_until(lambda: ChangeRequest.objects.get(pk=change.pk).status == "done")
        assert running.stop() == 0
    assert witness.read_text().split() == ["apply", "verify"]
    row = delivery.deployment(change)
    lines = "".join(queries.log_text(row)).splitlines()
    assert lines == ["apply begins", "apply ends", "verify begins", "verify ends"]
    assert [event.seq for event in queries.events(row)] == list(range(1, row.last_event + 1))
    assert MergeIntent.objects.get().state == "landed"


def test_two_engines_run_every_step_once(tmp_path: Path, on_database: str) -> None:
    witness = tmp_path / "witness"
    delivery = Delivery.start(tmp_path, pipeline(f"echo $PORTAL_CHANGE >> {witness}", production="true"))
    with engine(tmp_path), engine(tmp_path):
        first = delivery.approved("one", {"a.txt": "a"})
        services.merge_change(delivery.people.alice, change=first)
        wait_until(lambda: ChangeRequest.objects.get(pk=first.pk).status == "done")
        second = delivery.approved("two", {"b.txt": "b"})
        services.merge_change(delivery.people.alice, change=second)
        wait_until(lambda: ChangeRequest.objects.get(pk=second.pk).status == "done")
    assert witness.read_text().split() == [first.label, second.label]
    assert list(Deployment.objects.values_list("attempts", flat=True)) == [1, 1, 1, 1]
