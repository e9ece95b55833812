"""A Redis that says nothing costs a request one wait, not one for each notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.live import relay
from tests.support.git_http import SilentHost


class Tried:
    """Counts what is asked of Redis, by who asks; ``answers`` (then) takes the place of a Redis that is back."""

    def __init__(self) -> None:
        self.here: list[str] = []
        self.beside: list[str] = []
        self.answers = False
        self.real = relay._publish

    def publish(self, topic: str) -> bool:
        in_request = threading.current_thread() is threading.main_thread()
        (self.here if in_request else self.beside).append(topic)
        return self.answers or self.real(topic)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Tried]:
    found = Tried()
    monkeypatch.setattr(relay, "_publish", found.publish)
    monkeypatch.setattr(relay, "RETRY_SECONDS", 3600.0)
    owed = relay._Owed()
    monkeypatch.setattr(relay, "_owed", owed)
    relay._client.cache_clear()
    with SilentHost() as host:
        settings.REDIS_URL = f"redis://127.0.0.1:{host.port}/0"
        yield found
    relay._client.cache_clear()
    if owed._timer is not None:
        owed._timer.cancel()


def test_after_one_notice_that_was_not_taken_no_request_waits_until_all_was_told(tried: Tried) -> None:
    for person in range(20):
        relay.send(f"people.{person}")
    assert tried.here == ["people.0"]
    tried.answers = True
    relay._owed._pay()
    relay.send("board")
    assert tried.here == ["people.0", relay.EVERYTHING, "board"]


def test_what_comes_while_everything_is_told_is_told_again(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    relay.send("board")

    def meanwhile(topic: str) -> bool:
        relay.send("queue")
        return True

    monkeypatch.setattr(relay, "_publish", meanwhile)
    relay._owed._pay()
    assert relay._owed.is_owing
    assert relay._owed._timer is not None


def test_a_redis_that_stays_silent_is_asked_beside_the_requests(tried: Tried) -> None:
    relay.send("board")
    paying = threading.Thread(target=relay._owed._pay)
    paying.start()
    relay.send("queue")
    paying.join(5)
    relay.send("queue")
    assert (tried.here, tried.beside) == (["board"], [relay.EVERYTHING])
