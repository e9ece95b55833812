"""What a maintainer learns of a connection that others may use, too: nothing of the others."""

from __future__ import annotations

import re
import socket
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


def test_a_repository_is_chosen_and_where_there_are_very_many_written(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page(people.erin, f"{LIST}corp/")
    select = re.search(r'<select name="repository".*?</select>', shown, re.DOTALL)
    assert select is not None
    assert re.findall(r'<option value="([^"]*)"', select.group()) == ["", "hidden-plans", "mine"]
    client = Client()
    client.force_login(people.erin, backend="apps.accounts.backends.PortalBackend")
    assert client.post(f"{LIST}corp/allow/", {"repository": "mine", "environments": ""}).status_code == 303
    refused = client.post(f"{LIST}corp/allow/", {"repository": "none-such", "environments": "staging"})
    assert refused.status_code == 422
    assert '<select name="repository"' in refused.content.decode()
    monkeypatch.setattr("apps.presentation.connections.MOST_CHOICES", 1)
    shown = page(people.erin, f"{LIST}corp/")
    assert '<input type="text" name="repository"' in shown
    assert "hidden-plans</option>" not in shown


def test_connections_are_among_the_places_that_every_page_offers(people: Cast) -> None:
    assert '<a href="/connections/">' in page(people.carol, "/queue/").partition('class="menu-list"')[2]


def test_a_try_that_failed_is_no_good_news_and_names_what_dns_does_not_know(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("apps.deployments.dispatchers.http.getproxies", dict)
    monkeypatch.setattr(socket, "create_connection", unknown)
    row = Connection.objects.get(name="corp")
    Connection.objects.filter(pk=row.pk).update(url="http://127.0.0.1:9")
    client = Client()
    client.force_login(people.erin, backend="apps.accounts.backends.PortalBackend")
    shown = client.post(f"{LIST}corp/test/", follow=True).content.decode()
    assert re.search(
        r"alert-box--bad.*It does not work\..*the name 127\.0\.0\.1 is not known in DNS\.", shown, re.DOTALL
    )
    assert "alert-box--ok" not in shown
    assert "Errno" not in shown
