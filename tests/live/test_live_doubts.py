"""A process that cannot hear all notices looks itself, so that no page that calls itself live is more than five seconds old."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.changes.services import edit_change
from apps.live import doubts, relay
from apps.live.doubts import Watcher
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.live_server import process
from tests.support.sockets import cookie_of, frames, socket

NO_REDIS = ["", "redis://127.0.0.1:1/0"]  # none configured, and one that is away


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("redis_url", NO_REDIS, ids=["without Redis", "Redis is away"])
def test_what_another_process_did_is_shown_within_five_seconds(tmp_path: Path, data_dir: Path, redis_url: str) -> None:
    people = (delivery := Delivery.start(tmp_path, pipeline())).people
    change = delivery.proposed()
    with process(data_dir, redis_url) as port:
        paths = (f"/ws/changes/{change.number}/", "/ws/board/")
        for path, kind in zip(paths, ("change", "board"), strict=True):
            with socket(port, path, cookie_of(people.alice)) as opened:
                quiet_after(opened)
                begun = time.monotonic()
                submit_review(people.bob, change=change, revision=1, verdict="comment", body=f"For {kind}.")
                seen: set[object] = set()
                for frame in frames(opened, 8):
                    seen.add(frame["type"])
                    if {kind, "queue"} <= seen:
                        break
                assert {kind, "queue"} <= seen
                assert time.monotonic() - begun < 5.5


def quiet_after(opened: object) -> None:
    """Wait until two beats follow each other: what came before is told."""
    beats = 0
    for frame in frames(opened, 30):  # type: ignore[arg-type]
        beats = beats + 1 if frame["type"] == "beat" else 0
        if beats == 2:
            return
    raise AssertionError("It never became quiet.")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    found: list[str] = []
    monkeypatch.setattr(doubts, "hub", SimpleNamespace(ring_all=lambda: found.append("all")))
    yield found
    relay.subscribed.clear()


@pytest.mark.django_db
def test_it_rings_for_what_happened_and_is_silent_while_nothing_does(
    tmp_path: Path, rung: list[str], settings: object, django_assert_max_num_queries: object
) -> None:
    settings.REDIS_URL, settings.PORTAL_ENGINE = "", "none"  # type: ignore[attr-defined]
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.proposed()
    watcher = Watcher()
    watcher.look()
    assert rung == ["all"], "of what was before nobody knows"
    with django_assert_max_num_queries(40):  # type: ignore[operator]
        for _ in range(10):
            watcher.look()
    assert rung == ["all"]
    edit_change(delivery.people.alice, change=change, title="Another title", description="")
    watcher.look()
    run_jobs("reviews.refresh_reviewers")  # a verdict that a worker made anew; no entry of the log tells it
    watcher.look()
    watcher.look()
    assert rung == ["all"] * 3


@pytest.mark.django_db
def test_who_hears_all_asks_nothing(rung: list[str], settings: object, django_assert_num_queries: object) -> None:
    settings.REDIS_URL, settings.PORTAL_ENGINE = "", "embedded"  # type: ignore[attr-defined]
    watcher = Watcher()
    with django_assert_num_queries(0):  # type: ignore[operator]
        watcher.look()
        settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
        relay._hear({"type": "subscribe", "data": 1})
        watcher.look()
    assert rung == []
    relay.subscribed.clear()
    watcher.look()
    assert rung == ["all"], "the subscription is lost"
