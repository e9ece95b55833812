"""Five hundred threads on one change: the page stays small enough to be read, and no query comes per thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.changes.models import ChangeRequest
from apps.reviews.models import Comment, Thread
from apps.reviews.services import open_thread
from tests.web.conftest import World

MANY = 500
MOST_BYTES, MOST_NODES = 700_000, 9_000
MEASURED = Path(__file__).resolve().parents[2] / "build" / "threads.json"


def threads_on(change: ChangeRequest, world: World, count: int) -> None:
    first = open_thread(world.people.bob, change=change, body="Why?", path="app/values.yaml", line=4)
    rows = [
        Thread(
            change=change, number=number, revision=change.revision, scope="line", path="app/values.yaml", kind="blocking",
            start_line=number % 30 + 1, line=number % 30 + 1, blob=first.blob, snippet="x",
            created_by=world.people.bob, created_at=timezone.now(),
        )
        for number in range(2, count + 1)
    ]  # fmt: skip
    text = "Please say **why** this is so, and what happens when it is not. " * 6
    made = Thread.objects.bulk_create(rows)
    said = [Comment(thread=row, author=world.people.bob, body=text, created_at=timezone.now()) for row in made]
    Comment.objects.bulk_create(said)


def test_a_page_with_five_hundred_threads_is_small_and_makes_no_more_queries(
    world: World, as_: Callable[[str], Client]
) -> None:
    change, bob = world.change("open"), as_("bob")
    urls = [world.url("open", tail) for tail in ("diff/", "", "_diff/threads/", "_threads/")]
    threads_on(change, world, 30)
    few = {}
    for url in urls:
        bob.get(url)
        with CaptureQueriesContext(connection) as seen:
            assert bob.get(url).status_code == 200
        few[url] = len(seen)
    Comment.objects.all().delete()
    Thread.objects.all().delete()
    threads_on(change, world, MANY)
    measured = {}
    for url in urls:
        bob.get(url)
        with CaptureQueriesContext(connection) as seen:
            body = bob.get(url).content
        assert body.count(b'class="thread"') == MANY, url
        measured[url] = {"bytes": len(body), "nodes": body.count(b"</") + body.count(b"<input"), "queries": len(seen)}
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps(measured, indent=1))
    for url, facts in measured.items():
        assert facts["queries"] <= few[url], (url, facts)
        assert facts["bytes"] <= MOST_BYTES, (url, facts)
        assert facts["nodes"] <= MOST_NODES, (url, facts)
