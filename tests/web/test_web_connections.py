"""What a maintainer learns of a connection that others may use, too: nothing of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Connection
from tests.support.people import Cast, cast
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db
LIST, API = "/connections/", "/api/v1/connections/"
MINE = {"repository": "mine", "environments": ["staging"]}
THEIRS = {"repository": "hidden-plans", "environments": ["secret-place"]}


@pytest.fixture
def people(tmp_path: Path, settings: Any) -> Cast:
    """A connection that carol's ``mine`` may use, and a repository of others."""
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    found = cast()
    values = {"user": "robot-seven", "token": "11aa-jenkins-token"}
    corp = services.create_connection(found.erin, name="corp", kind="jenkins", url="http://127.0.0.1:9", values=values)
    for owner, grant in ((found.carol, MINE), (found.erin, THEIRS)):
        row, _ = connected(tmp_path, owner, name=str(grant["repository"]))
        services.allow_connection(found.erin, connection=corp, repository=row, environments=list(grant["environments"]))
    return found


def page(user: User, url: str) -> str:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return str(client.get(url).content.decode())


def answers(user: User) -> list[dict[str, Any]]:
    """Of the list, of one, and of a try."""
    client = APIClient()
    client.force_authenticate(user)
    one = f"{API}corp/"
    return [
        client.get(API).json()["results"][0],
        client.get(one).json(),
        client.post(f"{one}test/", {}, format="json").json(),
    ]


@pytest.mark.parametrize("url", [LIST, f"{LIST}corp/"])
def test_a_maintainer_reads_of_their_own_repositories_alone_and_an_administrator_of_all(people: Cast, url: str) -> None:
    told = page(people.carol, url)
    assert "/repositories/mine/" in told
    assert "hidden-plans" not in told
    assert "secret-place" not in told
    assert "robot-seven" not in told
    everything = page(people.erin, url)
    assert "/repositories/mine/" in everything
    assert "/repositories/hidden-plans/" in everything
    assert ("robot-seven" in everything) is (url != LIST)
    assert "<dt>Secrets</dt>" not in told
    assert ("<dt>Secrets</dt><dd>API token " in everything) is (url != LIST)


def test_the_page_of_a_maintainer_does_not_take_what_they_see_for_all_there_is(people: Cast) -> None:
    Connection.objects.update(last_used_at=now())
    told, everything = (page(user, f"{LIST}corp/") for user in (people.carol, people.erin))
    assert "Of the repositories that you can see." in told
    assert "No deployment that you can see went through it yet." in told
    assert "that you can see" not in everything
    assert '<a class="change-title" href="/repositories/mine/">mine</a> <span class="change-meta">into staging' in told
    for act in ("new/", "corp/edit/", "corp/remove/", "corp/allow/", "corp/forbid/"):
        assert f"{LIST}{act}" not in told, "what they may not do is absent"


def test_the_api_answers_so_too(people: Cast) -> None:
    for answer in answers(people.carol):
        assert (answer["repositories"], answer["options"], answer["secrets"]) == ([MINE], None, None)
    for answer in answers(people.erin):
        assert (answer["repositories"], answer["options"]) == ([THEIRS, MINE], {"user": "robot-seven"})
        assert answer["secrets"] == ["token"]
