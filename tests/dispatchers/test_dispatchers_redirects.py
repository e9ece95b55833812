"""The one redirect that is followed, to where a host keeps a log, leads nowhere inside from outside."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import NotSent, Outside, Refused, addresses
from apps.deployments.dispatchers.answers import Answer
from apps.deployments.dispatchers.http import Client
from tests.support.stub_server import Answered, Asked, Stub, serving

NAMES = {
    "git.example.org": ["140.82.121.4"],
    "logs.example.org": ["20.60.1.1", "2606:50c0::1"],
    "git.internal": ["10.1.1.1"],
    "store.internal": ["10.2.2.2"],
    "half.internal": ["20.60.1.1", "10.2.2.2"],
    "shared.internal": ["100.64.0.9"],
    "mapped.internal": ["::ffff:10.2.2.2"],
    "own.internal": ["fd12::1"],
    "machine.internal": ["127.0.0.1"],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are really asked."""
    found: list[str] = []

    @contextlib.contextmanager
    def stream(_client: Any, _method: str, where: httpx.URL, **_options: Any) -> Iterator[httpx.Response]:
        found.append(str(where))
        yield httpx.Response(200, content=b"line", request=httpx.Request("GET", where))

    monkeypatch.setattr(httpx.Client, "stream", stream)
    monkeypatch.setattr(addresses, "addresses_of", lambda host: map(ipaddress.ip_address, NAMES.get(host, ())))
    return found


def follow(host: str, location: str) -> bytes:
    with Client(Outside("corp", "github", f"https://{host}")) as client:
        return client.follow(Answer(302, b"", {"location": location}), most=100).body


@pytest.mark.parametrize("name", sorted(name for name in NAMES if name.endswith(".internal")))
def test_a_host_of_the_internet_leads_to_no_internal_address(asked: list[str], name: str) -> None:
    with pytest.raises(Unavailable) as refused:
        follow("git.example.org", f"https://{name}/secret")
    assert refused.value.code == "bad_redirect"
    assert "internal address" in refused.value.message
    assert asked == []


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("git.example.org", "https://logs.example.org/1?signature=x"),
        ("git.example.org", "/raw/1"),
        ("git.internal", "https://store.internal/1"),
        ("git.internal", "/raw/1"),
        ("git.internal", "https://logs.example.org/1"),
    ],
)
def test_a_log_is_read_where_its_host_keeps_it(asked: list[str], host: str, location: str) -> None:
    assert follow(host, location) == b"line"
    assert len(asked) == 1


def test_a_link_local_address_is_refused_from_anywhere(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "meta.internal", ["169.254.169.254"])
    with pytest.raises(Unavailable):
        follow("git.internal", "https://meta.internal/latest")
    assert asked == []


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("location", ["/api/v4/projects/platform%2Fnetworks", "https://git.example.org/repositories/7"])
def test_a_name_that_leads_on_at_the_same_host_was_renamed(asked: list[str], status: int, location: str) -> None:
    words = answered(status, location)
    assert "what portal.yaml names there was renamed or moved" in words
    assert location.removeprefix("https://git.example.org") in words


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "https://gitlab.example.org/api/v4/projects/7"),
        (301, "http://git.example.org/api/v4/projects/7"),
        (301, "https://git.example.org:8443/api/v4/projects/7"),
        (301, ""),
        (301, "https://[nowhere"),
        (302, "/login"),
    ],
)
def test_what_answers_elsewhere_has_another_address(asked: list[str], status: int, location: str) -> None:
    words = answered(status, location)
    assert words.endswith("answers from another address. An administrator enters that address in the connection.")


def answered(status: int, location: str) -> str:
    with Client(Outside("git", "gitlab", "https://git.example.org")) as client, pytest.raises(Refused) as refused:
        client.judge(Answer(status, b"", {"location": location} if location else {}))
    return refused.value.message


@dataclass
class Store(Stub):
    """Where a log is kept."""

    def answer(self, asked: Asked) -> Answered:
        return Answered(200, b"line")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Store]:
    """Every name stands for a public address when it is looked at, and for this machine when it is connected to."""
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1", "git.example.org", "xn--bcher-kva.example.org"]
    real = socket.getaddrinfo
    monkeypatch.setattr(addresses, "addresses_of", lambda _: [ipaddress.ip_address("20.60.1.1")])
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: real("127.0.0.1", *rest, **more))
    with serving(Store()) as found:
        yield found


@pytest.mark.parametrize("name", ["git.example.org", "b\u00fccher.example.org"])
def test_a_name_that_became_an_internal_address_since_it_was_looked_at_gets_nothing(store: Store, name: str) -> None:
    port = urlsplit(store.url).port
    with pytest.raises(Unavailable, match=r"is 127\.0\.0\.1 now, which this connection may not lead to"):
        follow("hub.example.org", f"http://{name}:{port}/log")
    assert store.asked == []


def test_so_does_the_host_of_a_connection(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(Outside("corp", "github", store.url)) as client:
        monkeypatch.setattr(addresses, "is_forbidden", lambda address: address.is_loopback)
        with pytest.raises(NotSent, match=r"is 127\.0\.0\.1 now"):
            client.change("POST", "/start", json={})
    assert store.asked == []


def test_a_proxy_may_be_at_an_internal_address(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", store.url)
    assert follow("hub.example.org", "http://git.example.org/log") == b"line"
    assert store.count("GET /log") == 1
