"""Forms of threads, drafts and suggestions with input that no page sends: refused in words, nothing written, no 500."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from apps.reviews.models import Comment, DraftComment, Thread
from apps.reviews.services import open_thread
from tests.web.conftest import World

HUGE = str(2**70)
PLACE = {"path": "app/values.yaml", "line": "4", "body": "Why?"}


@pytest.mark.parametrize(
    ("tail", "fields"),
    [
        ("threads/", {"line": HUGE}),
        ("threads/", {"line": str(10**9)}),
        ("threads/", {"line": "0"}),
        ("threads/", {"start_line": "1", "line": str(10**9)}),
        ("threads/", {"revision": HUGE}),
        ("threads/", {"side": "middle"}),
        ("threads/", {"kind": "shout"}),
        ("threads/", {"scope": "planet"}),
        ("threads/", {"scope": "log", "path": "", "line": "", "locator": "d-1 apply 1"}),
        ("threads/", {"path": "app/\udcff.yaml".encode("utf-8", "surrogateescape")}),
        ("threads/", {"path": "../values.yaml"}),
        ("threads/", {"path": "a" * 5000}),
        ("threads/", {"body": "a\x00b"}),
        ("threads/", {"body": "x" * 20_001}),
        ("drafts/", {"thread": HUGE}),
        ("drafts/", {"thread": "99"}),
        ("drafts/", {"line": HUGE}),
        ("drafts/", {"revision": HUGE}),
        ("suggestions/", {"comment": HUGE, "revision": "1"}),
        ("suggestions/", {"comment": "x", "revision": "1"}),
        ("suggestions/", {"comment": "1", "revision": HUGE}),
        ("threads/1/drop/", {"reason": "x" * 501}),
        ("threads/1/drop/", {"reason": "a\x00b"}),
    ],
)
def test_input_that_no_page_sends_is_refused_and_writes_nothing(
    tail: str, fields: dict[str, str | bytes], world: World, as_: Callable[[str], Client]
) -> None:
    open_thread(world.people.bob, change=world.change("open"), body="First", path="app/values.yaml", line=4)
    before = (Thread.objects.count(), Comment.objects.count(), DraftComment.objects.count())
    answer = as_("alice").post(world.url("open", tail), {**PLACE, **fields})
    assert 400 <= answer.status_code < 500, (answer.status_code, fields)
    assert (Thread.objects.count(), Comment.objects.count(), DraftComment.objects.count()) == before
    assert Thread.objects.get().state == "open"


@pytest.mark.parametrize("act", ["reply/", "resolve/", "reopen/", "drop/", ""])
@pytest.mark.parametrize("number", ["99", HUGE])
def test_a_thread_of_another_change_is_not_there(
    act: str, number: str, world: World, as_: Callable[[str], Client]
) -> None:
    for body in ("One", "Two"):
        open_thread(world.people.bob, change=world.change("open"), body=body)
    wanted = "2" if number == "99" else number
    client, url = as_("bob"), world.url("hostile", f"threads/{wanted}/{act}")
    answer = client.post(url, {"body": "x", "reason": "x"}) if act else client.get(url)
    assert answer.status_code == 404
    assert Comment.objects.count() == 2
