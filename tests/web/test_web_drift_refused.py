"""What the page of drift does not offer, and what it says instead: of old news, of a place that is held, of one that is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Deployment, DriftAcceptance, DriftAdoption, DriftWatch, Environment
from tests.support.delivery import run_jobs
from tests.support.drifting import Drifting, config, drifting

pytestmark = pytest.mark.django_db
PAGE, API = "/environments/infra/staging/drift/", "/api/v1/environments/infra/staging/drift/"


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        found.change()
        found.check()
        yield found


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


def html(user: User) -> str:
    return " ".join(client_of(user).get(PAGE).content.decode().split())


def api_of(user: User) -> APIClient:
    api = APIClient()
    api.force_authenticate(user)
    return api


def test_what_may_be_otherwise_by_now_is_neither_adopted_nor_accepted(world: Drifting) -> None:
    carol, mark = world.delivery.people.carol, world.latest.findings[0]["mark"]
    assert "Accept…" in html(carol)
    world.deploy("second", {"k8s/three.yaml": config("three")})
    page = html(carol)
    assert "so it can be neither accepted nor adopted: check first." in page
    assert "Accept…" not in page
    assert "Ask for a change that adopts it" not in page
    assert "Check now" in page
    answer = api_of(carol).post(f"{API}adopt/")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    until = (now() + timedelta(days=1)).isoformat()
    answer = api_of(carol).post(f"{API}acceptances/", {"mark": mark, "reason": "known", "until": until}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    assert client_of(carol).post(f"{PAGE}adopt/").status_code == 409
    assert not DriftAcceptance.objects.exists()
    assert not DriftAdoption.objects.exists()


def test_an_adoption_that_was_overtaken_writes_nothing(world: Drifting) -> None:
    row = services.adopt_drift(world.delivery.people.alice, environment=world.environment)
    Deployment.objects.filter(pk=world.live.pk).update(started_at=now())  # something ran there since
    run_jobs(services.ADOPT_DRIFT)
    row.refresh_from_db()
    assert (row.change, row.ended_at is None, "Check first." in row.problem) == (None, False, True)
    assert "adopt-drift" not in world.delivery.work.run("ls-remote", "origin")
    assert "Check first." in html(world.delivery.people.alice)


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "begins when {} has ended: "), ("unknown", "begins when somebody decides what became of {}: ")],
)
def test_a_check_that_was_asked_for_says_what_it_waits_for(world: Drifting, status: str, words: str) -> None:
    alice, label = world.delivery.people.alice, world.live.label
    services.ask_drift_check(alice, environment=world.environment)
    assert "A check was asked for, and begins soon." in html(alice)
    assert api_of(alice).get(API).json()["held_by"] is None
    Deployment.objects.filter(pk=world.live.pk).update(status=status)
    link = f'<a href="/deployments/{world.live.number}/">{label}</a> holds the environment.'
    assert words.format(label) + link in html(alice)
    told = api_of(alice).get(API).json()
    assert (told["asked"], told["held_by"]) == (True, world.live.number)


def test_nobody_looks_at_what_is_not_defined_any_more_and_the_page_offers_nothing_there(world: Drifting) -> None:
    people = world.delivery.people
    DriftWatch.objects.update(next_at=now() - timedelta(minutes=1))
    Environment.objects.update(defined=False)
    page = html(people.carol)
    assert "defines no environment staging any more, so nobody looks at it and nothing is deployed there." in page
    for words in ("Check now", "Deploy what is live again", "Ask for a change that adopts it", "A check was asked for"):
        assert words not in page
    for what in ("check", "reapply", "adopt"):
        answer = api_of(people.carol).post(f"{API}{what}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_defined"), what
    assert not api_of(people.carol).get(API).json()["asked"]
    with pytest.raises(Conflict, match="defines no environment staging any more"):
        services.ask_drift_check(people.alice, environment=world.environment)


def test_each_finding_keeps_its_place_on_a_page_that_is_drawn_again(world: Drifting) -> None:
    carol = world.delivery.people.carol
    world.change("two")
    world.check()
    rows = {one["resource"]: one["mark"] for one in world.latest.findings}
    page = html(carol)
    for name in ("ConfigMap web/one", "ConfigMap web/two"):
        row = page[page.index(f'id="finding-{rows[name]}"') :].partition("</tr>")[0]
        assert f'name="mark" value="{rows[name]}"' in row
    world.change(value="1")
    world.check()
    after = html(carol)
    assert re.findall(r'id="(?:drift|finding)-([0-9a-f]{64})"', after) == [rows["ConfigMap web/two"]] * 2
    assert f'id="finding-{rows["ConfigMap web/two"]}"' in after
