"""Probes and metrics: true, cheap, and silent towards strangers."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client

from apps.core.clock import now
from apps.core.leases import LeaseLost
from apps.deployments import services
from apps.deployments.jobs import landing
from apps.deployments.models import Deployment, MergeIntent
from apps.operations import draining, metrics, readiness
from apps.operations.ledger import Ages
from apps.operations.probes import Probes
from apps.repositories.models import Repository
from apps.repositories.services import synchronise
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "scrape-me-not"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    draining.reset()
    metrics.ledger.forget()
    yield
    draining.reset()


def answer(path: str, *, method: str = "GET", host: str = "10.1.2.3:8000", probes: Any = None, **headers: str) -> Any:
    """As a kubelet asks: by an address that is no allowed host."""
    from gitops_portal.asgi import application

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=probes or application)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def ready_now() -> Any:
    """What a process that has not looked yet says."""
    return answer("/readyz", probes=Probes())


def test_a_ready_process_says_a_word_for_every_part(settings: Any):
    settings.REDIS_URL = ""
    found = ready_now()
    assert found.status_code == 200
    assert found.json() == {
        "ready": True,
        "parts": {"database": "ok", "migrations": "ok", "git": "ok", "data": "ok"},
    }


def test_a_data_directory_that_cannot_be_written_is_named_without_its_path(settings: Any, tmp_path: Path):
    settings.PORTAL_DATA_DIR = tmp_path / "gone"
    found = ready_now()
    assert found.status_code == 503
    assert found.json()["parts"]["data"] == "failed"
    assert "gone" not in found.text


def test_a_full_data_directory_leaves_servers_ready_and_workers_not(monkeypatch: pytest.MonkeyPatch):
    def full(**_given: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(readiness.tempfile, "TemporaryFile", full)
    worker, server = ready_now(), answer("/readyz", probes=Probes(within=Probes()))
    assert (worker.status_code, worker.json()["parts"]["data"]) == (503, "full")
    assert (server.status_code, server.json()["parts"]["data"]) == (200, "full")


def test_a_migration_that_is_not_applied_holds_the_process_back(monkeypatch: pytest.MonkeyPatch):
    known = readiness._known_migrations() | {("changes", "9999_of_tomorrow")}
    monkeypatch.setattr(readiness, "_known_migrations", lambda: known)
    found = ready_now()
    assert (found.status_code, found.json()["parts"]["migrations"]) == (503, "missing")
    assert "tomorrow" not in found.text


def test_a_database_that_is_away_is_said_and_the_process_lives_on(monkeypatch: pytest.MonkeyPatch):
    def away() -> str:
        raise OSError("could not connect to db.internal as portal")

    monkeypatch.setattr(readiness, "_database", away)
    probes = Probes()
    found = answer("/readyz", probes=probes)
    assert (found.status_code, found.json()["parts"]["database"]) == (503, "failed")
    assert "internal" not in found.text
    assert answer("/healthz", probes=probes).status_code == 200


def test_redis_that_is_away_is_said_and_takes_no_process_out_of_service(settings: Any):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = ready_now()
    assert (found.status_code, found.json()["parts"]["cache"]) == (200, "away")


def test_many_askers_cause_one_look_a_second():
    looks: list[float] = []

    def look() -> dict[str, str]:
        looks.append(time.monotonic())
        time.sleep(0.05)
        return {"database": "ok"}

    async def ask() -> list[Any]:
        one = readiness.Readiness(look)
        return await asyncio.gather(*(one.parts() for _ in range(200)))

    assert asyncio.run(ask()) == [{"database": "ok"}] * 200
    assert len(looks) == 1


def test_a_look_that_hangs_is_not_ready_and_is_not_started_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.05)
    looks: list[int] = []

    def hang() -> dict[str, str]:
        looks.append(1)
        time.sleep(0.5)
        return {"database": "ok"}

    async def ask() -> list[Any]:
        one = readiness.Readiness(hang)
        return [await one.parts() for _ in range(3)]

    assert asyncio.run(ask()) == [{"checks": "no answer"}] * 3
    assert len(looks) == 1


def test_a_process_that_is_about_to_end_is_not_ready_and_still_healthy():
    draining.begin()
    assert (answer("/readyz").status_code, answer("/healthz").status_code) == (503, 200)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_cannot_be_written_to(path: str):
    assert answer(path, method="POST").status_code == 405


def test_other_pages_keep_refusing_unknown_hosts():
    assert answer("/accounts/login/", host="evil.example").status_code == 400


def test_metrics_are_off_unless_they_are_asked_for(settings: Any):
    settings.PORTAL_METRICS = False
    settings.PORTAL_METRICS_TOKEN = TOKEN
    assert answer("/metrics", Authorization=f"Bearer {TOKEN}").status_code == 404


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}"])
def test_strangers_see_no_metrics(settings: Any, given: str):
    settings.PORTAL_METRICS, settings.PORTAL_METRICS_TOKEN = True, TOKEN
    found = answer("/metrics", Authorization=given)
    assert found.status_code == 401
    assert b"portal_" not in found.content


@pytest.fixture
def scraped(settings: Any) -> Any:
    settings.PORTAL_METRICS, settings.PORTAL_METRICS_TOKEN = True, TOKEN

    def scrape() -> dict[str, float]:
        metrics.ledger.forget()
        found = answer("/metrics", Authorization=f"Bearer {TOKEN}")
        assert found.status_code == 200
        rows = [line.rsplit(" ", 1) for line in found.text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    return scrape


def test_metrics_tell_of_deployments_queues_merges_and_the_audit_log(scraped: Any, tmp_path: Path):
    delivery = Delivery.start(tmp_path, pipeline("false"))
    change = delivery.merged()
    delivery.deployment(change)
    before = scraped()
    assert before['portal_deployments{state="pending"}'] >= 1
    assert before['portal_job_due{job="deployments.start"}'] >= 1
    assert before["portal_audit_head"] > 0
    assert before["portal_deployment_events"] >= 0
    assert before["portal_ledger_errors_total"] == 0
    assert before["portal_data_free_bytes"] > 0
    Deployment.objects.update(status="unknown")
    MergeIntent.objects.update(state="pending", created_at=now() - timedelta(hours=1))
    after = scraped()
    assert after["portal_deployments_unknown"] == Deployment.objects.count()
    assert after["portal_merges_stuck"] == 1
    assert after["portal_deployments_stuck"] == 0


def test_a_lease_that_is_kept_is_not_counted(scraped: Any, tmp_path: Path):
    repository = Delivery.start(tmp_path, pipeline()).repository
    fence = Repository.objects.claim(repository.pk, seconds=30)
    before = scraped()["portal_leases_lost_total"]
    assert fence is not None
    assert Repository.objects.renew(repository.pk, fence=fence, seconds=30)
    assert scraped()["portal_leases_lost_total"] == before
    assert not Repository.objects.renew(repository.pk, fence=fence - 1, seconds=30)
    assert scraped()["portal_leases_lost_total"] == before, "who renews says so, by stopping"


def test_a_lease_that_is_lost_is_counted_once_whether_it_was_to_be_renewed_or_written_under(
    scraped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    delivery = Delivery.start(tmp_path, pipeline())
    intent = services.merge_change(delivery.people.alice, change=delivery.approved())
    before = scraped()["portal_leases_lost_total"]
    for number, lose in enumerate((landing._hold, partial(landing._write, claim="held")), 1):
        with pytest.raises(LeaseLost):
            lose(intent, 99)
        assert scraped()["portal_leases_lost_total"] == before + number
    repository = delivery.repository
    shutil.move(repository.url, f"{repository.url}.away")
    monkeypatch.setattr(type(Repository.objects), "claim", lambda *_args, **_given: 99)
    assert not synchronise(repository.pk)
    assert scraped()["portal_leases_lost_total"] == before + 3
    repository.refresh_from_db()
    assert repository.sync_problem == {}


def test_a_second_scrape_asks_the_database_nothing(scraped: Any, django_assert_num_queries: Any):
    scraped()
    metrics.text()
    with django_assert_num_queries(0):
        metrics.text()


def test_one_question_that_fails_hides_no_other(scraped: Any, monkeypatch: pytest.MonkeyPatch):
    from apps.operations import ledger
    from apps.worker.registry import jobs

    def broken(_limit: int) -> list[int]:
        raise RuntimeError("this queue cannot be read")

    offered = dict(jobs())
    offered["deployments.start"] = type(offered["deployments.start"])("deployments.start", broken, lambda pk: None)
    monkeypatch.setattr(ledger, "jobs", lambda: offered)
    found = scraped()
    assert 'portal_job_due{job="deployments.start"}' not in found
    assert 'portal_job_due{job="deployments.follow"}' in found
    assert found["portal_ledger_errors_total"] >= 1


def test_requests_are_counted_by_route_and_not_by_address(scraped: Any):
    name = 'portal_http_requests_total{method="GET",route="none",status="404"}'
    before = scraped().get(name, 0.0)
    browser = Client()
    for address in ("/no/such/1", "/no/such/2", "/no/such/3"):
        browser.get(address)
    browser.generic("BREW", "/no/such/4")
    browser.get("/accounts/login/")
    found = scraped()
    assert found[name] == before + 3
    assert found['portal_http_request_duration_seconds_count{route="account_login"}'] >= 1
    assert not [name for name in found if "/no/such" in name or "BREW" in name]


def test_a_scrape_stays_small(scraped: Any):
    assert len(scraped()) < 400


def test_age_is_how_long_a_unit_was_seen_due_without_a_gap():
    ages = Ages()
    assert ages.oldest("a", {1, 2}, 10.0) == 0.0
    assert ages.oldest("a", {2}, 15.0) == 5.0
    assert ages.oldest("a", set(), 16.0) == 0.0
    assert ages.oldest("a", {2}, 20.0) == 0.0
    assert ages.oldest("b", {2}, 25.0) == 0.0


def test_the_check_of_migrations_knows_those_of_the_portal():
    assert ("deployments", "0001_initial") in readiness._known_migrations()
