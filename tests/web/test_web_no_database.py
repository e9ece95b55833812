"""A page meets a database that cannot write: it says so, and what somebody typed is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError, connection
from django.test import AsyncClient, Client

from apps.accounts.backends import PortalBackend
from apps.reviews.models import Comment
from tests.web.conftest import World

AS = Callable[[str], Client]
LONG = "Why it is so. " * 1_000


@pytest.fixture
def full(world: World) -> Iterator[None]:
    """SQLite takes no further page, as on a full disk."""

    def asked(what: str) -> int:
        cursor.execute(f"PRAGMA {what}")
        return int(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        most, free = asked("max_page_count"), asked("freelist_count")
        cursor.execute("CREATE TABLE filler (what)")  # the pages that tests before this one gave back
        cursor.execute(f"INSERT INTO filler VALUES (zeroblob({free * asked('page_size')}))")
        asked(f"max_page_count = {asked('page_count')}")
    yield
    with connection.cursor() as cursor:
        asked(f"max_page_count = {most}")


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_who_sends_a_comment_to_a_full_disk_keeps_it_and_is_told_what_to_do(
    world: World, as_: AS, headers: dict[str, str]
) -> None:
    client = as_("bob")
    answer = client.post(
        world.url("open", "threads/"),
        {"body": LONG, "kind": "blocking", "path": "app/values.yaml", "line": "4"},
        headers=headers,
    )
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    page = answer.content.decode()
    assert "has no room to write" in page
    assert LONG.strip() in page
    assert f'href="{world.url("open")}"' in page
    assert ("<html" in page) == (not headers)
    connection.needs_rollback = False
    assert not Comment.objects.filter(body__startswith="Why it is so.").exists()


def test_where_not_even_who_it_is_can_be_read_nothing_is_lost_either(
    world: World, as_: AS, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_("bob")

    def away(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(PortalBackend, "get_user", away)
    answer = client.post(world.url("open", "threads/"), {"body": "Is 33 right?"})
    assert answer.status_code == 503
    assert "Is 33 right?" in answer.content.decode()


def session_is_not_stored(*_: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_a_session_that_cannot_be_stored_at_the_end_is_said_in_the_same_way(
    world: World, as_: AS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionMiddleware, "process_response", session_is_not_stored)
    client = as_("bob")
    client.raise_request_exception = False
    answer = client.post(world.url("open", "threads/"), {"body": "Is 33 right?", "kind": "question"})
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Look whether what you did had its effect" in page
    assert "Is 33 right?" in page


async def test_the_server_that_people_meet_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionMiddleware, "process_response", session_is_not_stored)
    answer = await AsyncClient(raise_request_exception=False).get("/accounts/login/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
