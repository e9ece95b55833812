"""An error of the portal's own while it looks after a run: whoever watches learns of it, and nothing is given up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from apps.core.clock import now
from apps.deployments import queries
from apps.deployments.dispatchers.local import LocalDispatcher
from apps.deployments.jobs import following, silence
from apps.deployments.models import Deployment
from apps.reviews.models import Call
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
Patch = pytest.MonkeyPatch


@pytest.fixture
def row(tmp_path: Path) -> Deployment:
    """A deployment that holds its environment and has not begun."""
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    run_jobs("deployments.start")
    return delivery.deployment(change)


def breaking(patch: Patch, thing: object, name: str, problem: Exception) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise problem

    patch.setattr(thing, name, broken)


def look(row: Deployment) -> None:
    following.follow(row.pk)


def told(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row) if "own" in event.text or "again" in event.text]


@pytest.mark.parametrize(("thing", "name"), [(LocalDispatcher, "prepare"), (LocalDispatcher, "observe")])
def test_it_is_told_once_and_the_run_goes_on_when_it_is_mended(
    row: Deployment, monkeypatch: Patch, thing: type, name: str
) -> None:
    assert row.status == "dispatching"
    with monkeypatch.context() as patch:
        breaking(patch, thing, name, KeyError("secret-of-the-code"))
        for _ in range(3):
            with pytest.raises(KeyError):
                look(row)
    row.refresh_from_db()
    [said] = told(row)
    assert "an error of its own (KeyError)" in said
    assert "tried again" in said
    assert "secret-of-the-code" not in said
    assert row.check_at is not None
    assert row.check_at > now(), "ever more slowly"
    assert row.lease_until is None
    Deployment.objects.update(check_at=None)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_after_a_quarter_of_an_hour_somebody_is_asked_to_look(row: Deployment, monkeypatch: Patch) -> None:
    breaking(monkeypatch, LocalDispatcher, "prepare", TypeError("x"))
    for minutes in (0, 10, 16, 20):
        monkeypatch.setattr(silence, "now", lambda minutes=minutes: now() + timedelta(minutes=minutes))
        with pytest.raises(TypeError):
            look(row)
    assert [text.startswith("For a quarter of an hour now") for text in told(row)] == [False, True]
    assert told(row)[-1].endswith("Somebody has to look.")
    assert Call.objects.filter(ended_at=None, reason__startswith=f"The portal cannot look after {row.label}").exists()
    monkeypatch.undo()
    Deployment.objects.update(check_at=None)
    run_until_idle()
    assert not Call.objects.filter(ended_at=None).exists()


def test_a_database_that_is_away_is_no_news(row: Deployment, monkeypatch: Patch) -> None:
    breaking(monkeypatch, LocalDispatcher, "prepare", OperationalError("server closed the connection"))
    with pytest.raises(OperationalError):
        look(row)
    assert told(row) == []
