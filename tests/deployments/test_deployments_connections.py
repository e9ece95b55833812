"""Connections: who keeps them, that secrets never come out, and where they may go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.dispatchers import Outside, Refused
from apps.deployments.dispatchers.http import Client, stays_below
from apps.deployments.models import Connection
from apps.deployments.queries.connections import find_connection, outside_of, secret_names, visible_connections
from tests.support.people import Cast, cast
from tests.support.receiver import SECRET, Receiver, receiver
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db
TOKEN = "glpat-abcdefghijklmnop"  # of no real system


@pytest.fixture
def people() -> Cast:
    return cast()


@pytest.fixture
def corp(people: Cast) -> Connection:
    return services.create_connection(
        people.erin, name="corp", kind="gitlab", url="https://gitlab.example.org/", values={"token": TOKEN}
    )


@pytest.fixture
def there(settings: Any) -> Iterator[Receiver]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with receiver() as found:
        yield found


def test_a_secret_is_stored_encrypted_and_in_no_record(corp: Connection) -> None:
    assert TOKEN not in corp.sealed_credentials
    assert outside_of(corp).credentials == {"token": TOKEN}
    assert TOKEN not in repr(outside_of(corp))
    assert secret_names(corp) == ["token"]
    entries = AuditEntry.objects.filter(action__startswith="connection.")
    assert [entry.action for entry in entries] == ["connection.created"]
    assert TOKEN not in str([(entry.summary, entry.data) for entry in entries])


@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dave", "mallory"])
def test_only_administrators_keep_connections(people: Cast, corp: Connection, who: str) -> None:
    user = getattr(people, who)
    for act in (
        lambda: services.create_connection(user, name="x", kind="gitlab", url="https://x.example", values={}),
        lambda: services.update_connection(user, connection=corp, values={"token": TOKEN}),
        lambda: services.remove_connection(user, connection=corp),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert Connection.objects.count() == 1


def test_maintainers_see_and_try_what_their_repository_may_use_and_strangers_do_not_learn_of_it(
    tmp_path: Path, people: Cast, corp: Connection
) -> None:
    repository, _ = connected(tmp_path, people.carol, members={"alice": "author"})
    with pytest.raises(NotVisible):
        find_connection(people.carol, "corp")
    services.allow_connection(people.erin, connection=corp, repository=repository, environments=[])
    assert find_connection(people.carol, "corp") == corp
    assert visible_connections(people.alice) == []
    with pytest.raises(NotAllowed):
        services.try_connection(people.alice, connection=corp)


@pytest.mark.parametrize(
    "url",
    [
        "http://gitlab.example.org",
        "https://user:pass@gitlab.example.org",
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "ftp://x.example",
        "https://",
        "https://x.example/?a=b",
        "https://[broken",
        "file:///etc/passwd",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
    ],
)
def test_an_address_that_must_not_get_credentials_is_refused(people: Cast, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_connection(people.erin, name="x", kind="gitlab", url=url, values={"token": TOKEN})
    assert caught.value.details["fields"]["url"]


def test_a_stored_secret_never_goes_to_another_address(people: Cast, corp: Connection) -> None:
    with pytest.raises(InvalidInput, match="entered again: Token"):
        services.update_connection(people.erin, connection=corp, url="https://evil.example.org")
    corp.refresh_from_db()
    assert corp.url == "https://gitlab.example.org"
    services.update_connection(
        people.erin, connection=corp, url="https://git.example.org", values={"token": "glpat-new-token"}
    )
    corp.refresh_from_db()
    assert outside_of(corp).credentials == {"token": "glpat-new-token"}


def test_what_is_not_given_stays_and_a_needed_value_cannot_be_emptied(people: Cast, corp: Connection) -> None:
    services.update_connection(people.erin, connection=corp, values={"ca": "-----BEGIN CERTIFICATE-----\nx"})
    corp.refresh_from_db()
    assert outside_of(corp).credentials == {"token": TOKEN}
    services.update_connection(people.erin, connection=corp, values={"ca": ""})
    corp.refresh_from_db()
    assert corp.options == {}
    with pytest.raises(InvalidInput, match="needs: Token"):
        services.update_connection(people.erin, connection=corp, values={"token": ""})


@pytest.mark.parametrize(
    ("name", "kind", "values", "field"),
    [
        ("Corp!", "gitlab", {"token": TOKEN}, "name"),
        ("", "gitlab", {"token": TOKEN}, "name"),
        ("x", "svn", {"token": TOKEN}, "kind"),
        ("x", "gitlab", {}, "token"),
        ("x", "gitlab", {"token": "abc"}, "token"),
        ("x", "gitlab", {"token": TOKEN, "sudo": "1"}, "sudo"),
        ("x", "gitlab", {"token": "glpat\n-header: x"}, "token"),
        ("x", "gitlab", {"token": "“quoted-token”"}, "token"),
        ("x", "jenkins", {"user": "portal"}, "token"),
    ],
)
def test_what_is_wrong_is_named(people: Cast, name: str, kind: str, values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_connection(people.erin, name=name, kind=kind, url="https://x.example.org", values=values)
    assert field in caught.value.details["fields"]


def test_a_name_is_taken_once(people: Cast, corp: Connection) -> None:
    with pytest.raises(Conflict, match="already"):
        services.create_connection(
            people.erin, name=corp.name, kind="gitlab", url="https://x.example.org", values={"token": TOKEN}
        )


def test_trying_it_says_what_the_other_system_says(people: Cast, there: Receiver) -> None:
    row = services.create_connection(
        people.erin, name="hooks", kind="webhook", url=there.url, values={"secret": SECRET}
    )
    row = services.try_connection(people.erin, connection=row)
    assert (row.is_working, row.test_text) == (True, "It took a signed ping.")
    there.behaviour = "403"
    row = services.try_connection(people.erin, connection=row)
    assert row.is_working is False
    assert "does not allow this" in row.test_text
    assert "says the receiver" in row.test_text
    Connection.objects.update(url="http://127.0.0.1:9")
    row.refresh_from_db()
    row = services.try_connection(people.erin, connection=row)
    assert "cannot be reached" in row.test_text
    assert SECRET not in row.test_text


def test_a_test_that_was_overtaken_by_a_change_of_the_connection_does_not_speak_for_it(
    people: Cast, there: Receiver
) -> None:
    row = services.create_connection(
        people.erin, name="hooks", kind="webhook", url=there.url, values={"secret": SECRET}
    )
    stale = Connection.objects.get(pk=row.pk)
    services.update_connection(people.erin, connection=row, values={"secret": "whsec_another-long-secret"})
    assert services.try_connection(people.erin, connection=stale).is_working is None


def test_one_that_was_never_used_is_removed_whole(people: Cast, corp: Connection) -> None:
    services.remove_connection(people.erin, connection=corp)
    assert not Connection.objects.exists()
    assert AuditEntry.objects.filter(action="connection.removed").count() == 1


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/a/b?x=..", True),
        ("/a/%41", True),
        ("", True),
        ("/../a", False),
        ("/a/%2e%2e/b", False),
        ("/a/%252e%252e/b", False),
        ("/a/..\\b", False),
        ("/a/.", False),
    ],
)
def test_a_path_never_leads_out_of_the_address(path: str, *, below: bool) -> None:
    assert stays_below(path) is below


@pytest.mark.parametrize("path", ["/../up", "/\x01", "/a\udc80"])
def test_a_request_that_cannot_be_made_is_refused_in_words(there: Receiver, path: str) -> None:
    with Client(Outside("hooks", "webhook", f"{there.url}/public")) as client:
        for ask in (client.read, client.look, client.ask_first, lambda one: client.change("POST", one)):
            with pytest.raises(Refused, match=r"portal\.yaml"):
                ask(path)
    assert there.requests == []
