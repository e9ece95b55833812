"""Drift calls those who deploy there: they are told once, and it stands in their queues until it is gone, accepted or being adopted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import DriftAcceptance, DriftWatch, Environment
from apps.deployments.queries import drift
from apps.deployments.queries.drift import drift_of
from apps.repositories.models import RepositoryRole
from apps.reviews.inbox import inbox
from tests.support.delivery import run_jobs
from tests.support.drifting import Drifting, drifting

pytestmark = pytest.mark.django_db
PAGE, SECTION = "/environments/infra/staging/drift/", 'id="queue-drift"'


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        yield found


def told(user: User) -> list[tuple[str, str]]:
    """Text and place of each line of drift in somebody's inbox, the oldest first."""
    lines = [line for row in inbox(user).items for line in row.lines if line["kind"] == "drift"]
    return [(line["text"], line["place"]) for line in sorted(lines, key=lambda line: line["at"])]


def alerts(user: User) -> list[tuple[str, str, str]]:
    """State, text and address of each alert in somebody's queue, as the API tells it."""
    api = APIClient()
    api.force_authenticate(user)
    sections = {one["key"]: one for one in api.get("/api/v1/queue/").json()["sections"]}
    found = sections.get("drift", {"records": []})["records"]
    return [(one["state"], one["text"], one["url"]) for one in found]


def page(user: User, url: str) -> str:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client.get(url).content.decode()


def actions() -> list[str]:
    rows = AuditEntry.objects.filter(action__in=("drift.found", "drift.gone")).order_by("pk")
    return list(rows.values_list("action", flat=True))


def accept(world: Drifting, at: int = 0) -> DriftAcceptance:
    mark, until = world.latest.findings[at]["mark"], now() + timedelta(days=1)
    carol = world.delivery.people.carol
    return services.accept_drift(carol, environment=world.environment, mark=mark, reason="known", until=until)


def cannot_look(world: Drifting) -> None:
    world.there.answers["GET configmaps"] = [503]
    assert world.check().state == "unknown"


def test_who_deploys_there_is_told_once_and_has_it_in_the_queue_until_it_is_gone(world: Drifting) -> None:
    people = world.delivery.people
    world.check()
    assert alerts(people.carol) == []
    world.change()
    world.check()
    world.change("two")
    world.check()
    line = (f"staging drifted from what {world.live.label} brought: 1 finding", "drift:infra/staging")
    assert told(people.carol) == [line]
    assert told(people.alice) == [line], "she deployed it"
    assert alerts(people.carol) == [("drift_drifted", "staging of infra: 2 fields in 2 resources", PAGE)]
    queue = page(people.carol, "/queue/")
    assert SECTION in queue
    assert f'<a href="{PAGE}">staging of infra: 2 fields in 2 resources</a>' in queue
    assert f'href="{PAGE}"' in page(people.carol, "/inbox/")
    world.change(value="1")
    world.change("two", "1")
    world.check()
    assert alerts(people.carol) == []
    assert SECTION not in page(people.carol, "/queue/")


def test_who_does_not_deploy_there_has_no_alert_and_strangers_and_the_removed_learn_nothing(world: Drifting) -> None:
    people = world.delivery.people
    world.change()
    world.check()
    for user in (people.alice, people.bob, people.dave, people.erin, people.mallory):
        assert alerts(user) == [], user.username
        assert SECTION not in page(user, "/queue/")
    for user in (people.bob, people.dave, people.erin, people.mallory):
        assert told(user) == [], user.username
    assert alerts(people.carol) != []
    RepositoryRole.objects.filter(user=people.carol).delete()
    assert alerts(people.carol) == []
    assert told(people.carol) == []
    assert "staging" not in page(people.carol, "/queue/") + page(people.carol, "/inbox/")


def test_a_look_that_told_nothing_neither_ends_drift_nor_begins_it_again(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change()
    world.check()
    cannot_look(world)
    ((state, text, _),) = alerts(carol)
    assert (state, "no look told whether it still does" in text) == ("drift_unknown", True)
    world.check()
    assert (actions(), len(told(carol))) == (["drift.found"], 1)
    cannot_look(world)
    world.change(value="1")
    world.check()
    assert actions() == ["drift.found", "drift.gone"]
    assert alerts(carol) == []
    world.change()
    world.check()
    assert actions() == ["drift.found", "drift.gone", "drift.found"]
    assert len(told(carol)) == 1, "the same within five minutes is one line"


def test_what_is_accepted_calls_nobody_until_something_else_is_found_or_the_time_is_over(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change()
    world.check()
    row = accept(world)
    assert alerts(carol) == []
    world.check()
    assert len(told(carol)) == 1
    world.change("two")
    world.check()
    assert alerts(carol) == [("drift_drifted", "staging of infra: 1 field in 1 resource", PAGE)]
    DriftAcceptance.objects.update(until=now() - timedelta(seconds=1))
    assert run_jobs("deployments.end_drift_acceptances") == 1
    assert alerts(carol) == [("drift_drifted", "staging of infra: 2 fields in 2 resources", PAGE)]
    assert told(carol)[-1][0] == f"Drift of staging that carol accepted counts again: {row.resource}"
    assert actions() == ["drift.found"]


def test_what_is_found_where_all_was_accepted_is_told(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change()
    world.check()
    accept(world)
    world.change("two")
    world.change("one", "1")
    world.check()
    assert [text for text, _ in told(carol)] == [f"staging drifted from what {world.live.label} brought: 1 finding"]
    world.change("one", "8")
    accept(world)
    world.change("two", "7")
    world.check()
    assert [text.rpartition(": ")[2] for text, _ in told(carol)] == ["1 finding", "2 findings"]


def test_an_acceptance_that_ends_after_the_drift_did_tells_nobody(world: Drifting) -> None:
    world.change()
    world.check()
    accept(world)
    world.change(value="1")
    world.check()
    DriftAcceptance.objects.update(until=now() - timedelta(seconds=1))
    assert run_jobs("deployments.end_drift_acceptances") == 1
    assert len(told(world.delivery.people.carol)) == 1


def test_it_stands_aside_while_a_change_that_adopts_it_is_under_way(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change()
    world.check()
    services.adopt_drift(carol, environment=world.environment)
    assert len(alerts(carol)) == 1, "nothing is written yet"
    run_jobs(services.ADOPT_DRIFT)
    assert alerts(carol) == []
    change = ChangeRequest.objects.latest("number")
    ChangeRequest.objects.filter(pk=change.pk).update(status=Status.WITHDRAWN)
    assert len(alerts(carol)) == 1


def test_old_news_says_so_and_what_is_not_defined_any_more_calls_nobody(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change()
    world.check()
    world.later(minutes=61)
    words = "staging of infra: 1 field in 1 resource when it was last looked at"
    assert alerts(carol) == [("drift_stale", words, PAGE)]
    Environment.objects.update(defined=False)
    assert alerts(carol) == []


def test_no_more_is_looked_up_than_it_takes_to_find_so_many(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in range(1, 6):
        row = Environment.objects.create(repository=world.environment.repository, name=f"e{hours}", position=hours)
        DriftWatch.objects.create(environment=row, found_at=now() - timedelta(hours=hours))
    asked: list[list[str]] = []

    def noted(rows: list[Environment]) -> dict[int, Any]:
        asked.append([row.name for row in rows])
        return drift_of(rows)

    monkeypatch.setattr(drift, "drift_of", noted)
    monkeypatch.setattr(drift, "SLICE", 2)
    every = Environment.objects.all()
    assert [row.name for row, _ in drift.alerts_among(every, 1)] == ["e1"]
    assert asked == [["e1", "e2"]]
    assert [row.name for row, _ in drift.alerts_among(every, 9)] == ["e1", "e2", "e3", "e4", "e5"]
    assert asked[1:] == [["e1", "e2"], ["e3", "e4"], ["e5"]]
