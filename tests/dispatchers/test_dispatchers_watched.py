"""A run that was over, and whose health is watched: a moment of work takes nothing back, and its own time limit is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.deployments.dispatchers import Progress, RunState
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from apps.deployments.dispatchers.flux import FluxDispatcher
from apps.deployments.dispatchers.remote import limited
from apps.deployments.models import Deployment
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo, argo
from tests.support.delivery import Delivery
from tests.support.dispatching import COMMIT, TOKEN, look, older, run_for, sent
from tests.support.kube import kube
from tests.support.ordering import newest
from tests.support.outside import delivery_via, step_engine, until

HEALTH = "{checks: [{name: all, resources: healthy, every: 10s}], for: 1m, within: 5m}"


@pytest.fixture
def there(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_LEASE_SECONDS = 60
    with argo() as found:
        found.nodes = [
            {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web", "health": {"status": "Healthy"}}
        ]
        yield found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the clock on, everywhere that looks after a run."""
    moved, real = {"by": timedelta(0)}, clock.now
    for module in ("jobs.health", "jobs.following", "dispatchers.argocd"):
        monkeypatch.setattr(f"apps.deployments.{module}.now", lambda: real() + moved["by"])

    def go(seconds: float) -> None:
        moved["by"] += timedelta(seconds=seconds)

    return go


def watched(tmp_path: Path, there: Argo) -> tuple[Delivery, Deployment]:
    deploy = f"via: argocd, connection: corp, application: web, timeout: 2m, health: {HEALTH}"
    delivery = delivery_via(tmp_path, deploy, kind="argocd", url=there.url, values={"token": TOKEN})
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    there.begin()
    there.end()
    for _ in range(3):
        step_engine()
    assert newest(row).health
    return delivery, row


def seen(row: Deployment) -> str:
    step_engine()
    row.refresh_from_db()
    return row.status


@pytest.mark.django_db
def test_a_roll_out_in_between_is_waited_for_and_the_checks_hold_anew(tmp_path: Path, there: Argo, later: Any) -> None:
    _, row = watched(tmp_path, there)
    later(50)
    seen(row)
    later(80)  # more than the 2 minutes that the run had
    there.status["health"] = {"status": "Progressing"}
    assert seen(row) == "running", row.problem
    assert newest(row).health["good_since"] == ""
    there.status["health"] = {"status": "Healthy"}
    assert seen(row) == "running"
    for _ in range(7):
        later(10)
        seen(row)
    assert row.status == "succeeded"


@pytest.mark.django_db
def test_one_that_does_not_come_to_rest_fails_when_the_watch_is_over(tmp_path: Path, there: Argo, later: Any) -> None:
    _, row = watched(tmp_path, there)
    there.status["health"] = {"status": "Progressing"}
    for _ in range(5):
        later(50)
        assert seen(row) == "running", row.problem
    later(51)
    assert seen(row) == "failed"
    assert row.problem.startswith("It was applied, but is not healthy: ")
    assert newest(row).outcome == "failed"


def test_no_time_limit_of_the_run_counts_while_it_is_watched(there: Argo) -> None:
    argocd = ArgoCDDispatcher()
    run, _ = look(argocd, run_for("argocd", there.url, {"application": "web", "timeout": 60}))
    there.begin()
    there.end(health="Progressing")
    late = older(run, 61)
    assert look(argocd, late)[1].outcome == "failed"
    assert look(argocd, replace(late, is_watched=True))[1].state == RunState.RUNNING
    goes_on = Progress(RunState.RUNNING)
    slow = sent(run_for("gitlab", "https://x.example", {"timeout": 60}), 61)
    assert limited(slow, goes_on, "It").state == RunState.LOST
    assert limited(replace(slow, is_watched=True), goes_on, "It") == goes_on


def test_flux_that_works_again_while_it_is_watched_is_waited_for() -> None:
    with kube() as cluster:
        flux, there = FluxDispatcher(), Flux(cluster)
        run, _ = look(flux, run_for("flux", there.url, {"kustomization": "all-apps", "timeout": 60}))
        there.fetch(COMMIT)
        there.reconcile(COMMIT, ready="Unknown")
        late = older(run, 61)
        assert look(flux, late)[1].outcome == "failed"
        assert look(flux, replace(late, is_watched=True))[1].state == RunState.RUNNING
