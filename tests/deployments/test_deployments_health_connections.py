"""Checks of health whose connection was taken away: no word about what runs, so nothing is rolled back, and nothing is called healthy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments import queries, services
from apps.deployments.dispatchers import Outside, Progress, RunState
from apps.deployments.health import read_check
from apps.deployments.jobs import following
from apps.deployments.models import Attempt, Connection, Deployment
from apps.deployments.queries import connections
from tests.deployments.test_deployments_health import passed, start, vector
from tests.support.delivery import Delivery, run_jobs
from tests.support.health import Site, look, watched
from tests.support.outside import until

pytestmark = pytest.mark.django_db


def shop() -> Connection:
    return Connection.objects.get(name="shop")


def forbid(delivery: Delivery) -> None:
    services.forbid_connection(delivery.people.erin, connection=shop(), repository=delivery.repository)


def allow(delivery: Delivery) -> None:
    services.allow_connection(delivery.people.erin, connection=shop(), repository=delivery.repository, environments=[])


def make_unreadable(_delivery: Delivery) -> None:
    """As with another PORTAL_ENCRYPTION_KEY."""
    Connection.objects.update(sealed_credentials="of-another-key")


def rolled_back() -> bool:
    run_jobs("deployments.roll_back_unhealthy")
    return ChangeRequest.objects.filter(kind="rollback").exists()


@pytest.mark.parametrize(
    ("take_away", "why"),
    [
        (
            forbid,
            "portal.yaml needs the connection 'shop' (Web address) for staging, but no such connection may be used",
        ),
        (make_unreadable, "A stored secret cannot be read with the present encryption key."),
    ],
)
def test_a_connection_that_was_taken_away_is_no_word_about_what_runs(
    tmp_path: Path,
    site: Site,
    later: Any,
    take_away: Any,
    why: str,
) -> None:
    delivery = start(tmp_path, site, "roll-back")
    row = watched(delivery)
    take_away(delivery)
    assert passed(row, later).status == "failed"
    said = "It was applied, but whether it is healthy could not be asked: answers is without its connection: "
    assert row.problem.startswith(said + why)
    assert row.problem.endswith(
        "rolled back by rule for what the portal itself could not ask: somebody decides what to do."
    )
    assert ".." not in row.problem
    assert not rolled_back()
    row.environment.refresh_from_db()
    assert not row.environment.live_commit
    log = [event.text for event in queries.events(row) if event.kind == "log"]
    assert log[-1].startswith("not asked: is without its connection: ")


def test_the_time_without_the_connection_is_given_back_and_counts_as_nothing_good(
    tmp_path: Path,
    site: Site,
    later: Any,
) -> None:
    delivery = start(tmp_path, site, "roll-back")
    row = watched(delivery)
    forbid(delivery)
    assert passed(row, later, 250).status == "running"  # of 5 minutes; as long as it has to hold: 1
    assert not Attempt.objects.get(deployment=row).health["good_since"]
    allow(delivery)
    assert passed(row, later, 50).status == "running"
    assert passed(row, later, 70).status == "succeeded"
    assert not rolled_back()


def test_what_is_not_healthy_once_it_can_be_asked_again_is_rolled_back(
    tmp_path: Path,
    site: Site,
    later: Any,
) -> None:
    site.answers["/healthz"] = (500, "")
    delivery = start(tmp_path, site, "roll-back")
    row = watched(delivery)
    forbid(delivery)
    later(31)
    look(row)
    allow(delivery)
    assert passed(row, later, 500).status == "failed"
    assert row.problem == "It was applied, but is not healthy: answers answered 500, not 200."
    assert rolled_back()


@pytest.mark.parametrize("kind", ["http", "prometheus"])
def test_an_address_that_the_portal_does_not_ask_any_more_says_nothing(site: Site, settings: Any, kind: str) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = []
    check = {"kind": kind, "target": "/healthz", "status": 200, "contains": "", "below": 1, "above": None}
    reading = read_check(check, Outside("shop", kind, site.url), Progress(RunState.ENDED))
    assert (reading.is_good, reading.is_asked) == (False, False)
    assert site.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_not_taken_say_nothing_about_what_was_deployed(site: Site, status: int) -> None:
    site.answers["/api/v1/query"] = (status, "no")
    check = {"kind": "prometheus", "target": "errors", "below": 1, "above": None}
    reading = read_check(check, Outside("shop", "prometheus", site.url), Progress(RunState.ENDED))
    assert (reading.is_good, reading.is_asked) == (False, False)
    assert str(status) in reading.text


@pytest.mark.parametrize("answer", [(400, "no"), (500, ""), (200, vector("5"))])
def test_what_the_other_system_answers_is_asked(site: Site, answer: tuple[int, str]) -> None:
    site.answers["/api/v1/query"] = answer
    check = {"kind": "prometheus", "target": "errors", "below": 1, "above": None}
    reading = read_check(check, Outside("shop", "prometheus", site.url), Progress(RunState.ENDED))
    assert (reading.is_good, reading.is_asked) == (False, True)


def test_a_connection_is_not_removed_while_health_is_asked_through_it(
    tmp_path: Path,
    site: Site,
    later: Any,
) -> None:
    delivery = start(tmp_path, site)
    row, erin = watched(delivery), delivery.people.erin
    other = services.create_connection(erin, name="other", kind="http", url=site.url, values={})
    services.remove_connection(erin, connection=other)
    with pytest.raises(Conflict, match=f"{row.label} is asked through shop whether it is healthy. Wait for its end"):
        services.remove_connection(erin, connection=shop())
    with pytest.raises(Conflict, match="Its address stays until then"):
        services.update_connection(erin, connection=shop(), url="https://shop.example.org")
    assert passed(row, later, 70).status == "succeeded"
    services.remove_connection(erin, connection=shop())
    assert not Connection.objects.exists()


def test_what_others_may_not_use_they_do_not_hold_by_naming_it(tmp_path: Path, site: Site) -> None:
    delivery = start(tmp_path, site)
    watched(delivery)
    forbid(delivery)
    services.remove_connection(delivery.people.erin, connection=shop())
    assert not Connection.objects.exists()


def test_nothing_is_started_through_a_connection_that_was_forbidden_while_it_was_prepared(
    tmp_path: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy = "{via: webhook, connection: shop, path: /deploy, timeout: 10m}"
    text = f"apiVersion: portal/v1\nenvironments:\n  staging: {{deploy: {deploy}}}\n"
    delivery = Delivery.start(
        tmp_path, f"{text}rules:\n  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}\n"
    )
    secret = {"secret": "whsec_a-long-secret"}
    services.create_connection(delivery.people.erin, name="shop", kind="webhook", url=site.url, values=secret)
    allow(delivery)
    row = delivery.deployment(delivery.merged())
    taken = iter([forbid])

    def once(*given: Any) -> Connection | None:
        found = connections.connection_for(*given)
        for take_away in taken:
            take_away(delivery)
        return found

    monkeypatch.setattr(following, "connection_for", once)
    until(row, "failed", "succeeded", "running")
    assert (row.status, Attempt.objects.get(deployment=row).external_run.get("sent")) == ("failed", None)
    assert "no such connection may be used in staging" in Deployment.objects.get(pk=row.pk).problem
    assert site.asked == []
