"""A change that adopts drift says when what it was made of is not there any more, and stays open until somebody decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import DriftCheck
from apps.deployments.queries.adopted import Gone, adopted_gone
from tests.support.delivery import run_jobs
from tests.support.drifting import Drifting, drifting

pytestmark = pytest.mark.django_db
PAGE, API = "/environments/infra/staging/drift/", "/api/v1/environments/infra/staging/drift/"
SAID = "The drift this was made of is gone since"


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    """A ConfigMap was edited by hand, and carol has a change that adopts it."""
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        found.change()
        found.check()
        services.adopt_drift(found.delivery.people.carol, environment=found.environment)
        run_jobs(services.ADOPT_DRIFT)
        yield found


def made() -> ChangeRequest:
    return ChangeRequest.objects.latest("number")


def pages(user: User) -> list[str]:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return [client.get(url).content.decode() for url in (PAGE, f"/changes/{made().number}/")]


def told(user: User) -> str | None:
    api = APIClient()
    api.force_authenticate(user)
    found: str | None = api.get(API).json()["adoption"]["gone_since"]
    return found


def test_both_pages_say_since_when_the_drift_is_gone_and_the_change_stays_open(world: Drifting) -> None:
    bob = world.delivery.people.bob
    assert [SAID in page for page in pages(bob)] == [False, False]
    assert told(bob) is None
    world.change(value="1")
    world.check()
    first = world.latest.checked_at
    world.check()
    assert adopted_gone(made()) == Gone(first, is_other=False), "the first look that did not find it, not the last"
    assert [SAID in page and "nothing may be left to adopt" in page for page in pages(bob)] == [True, True]
    assert told(bob) == first.isoformat()
    assert made().status not in {"withdrawn", "done"}
    world.change()
    world.check()
    assert [SAID in page for page in pages(bob)] == [False, False], "it is there again"


def test_something_else_that_drifted_since_is_told_as_such(world: Drifting) -> None:
    world.change(value="7")
    world.check()
    found = adopted_gone(made())
    assert found is not None
    assert found.is_other
    for page in pages(world.delivery.people.bob):
        assert "what is found now is something else" in page


def test_nothing_is_said_where_no_look_could_tell(world: Drifting) -> None:
    world.change(value="1")
    world.there.answers["GET configmaps"] = [503]
    world.check()
    assert adopted_gone(made()) is None
    world.check()
    assert adopted_gone(made()) is not None
    DriftCheck.objects.filter(is_latest=True).update(more=1)
    assert adopted_gone(made()) is None, "what is not listed may be it"
    DriftCheck.objects.filter(is_latest=True).update(more=0)
    world.later(minutes=61)
    assert adopted_gone(made()) is None, "the look is too old to be believed"


def test_what_is_decided_says_nothing_more_and_other_changes_ask_nothing(
    world: Drifting, django_assert_num_queries: Any
) -> None:
    world.change(value="1")
    world.check()
    change = made()
    ChangeRequest.objects.filter(pk=change.pk).update(status="withdrawn", updated_at=change.updated_at + timedelta(1))
    assert adopted_gone(made()) is None
    assert SAID not in pages(world.delivery.people.bob)[0]
    other = world.live.change
    with django_assert_num_queries(0):
        assert adopted_gone(other) is None
