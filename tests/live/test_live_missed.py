"""What happened between a page and its socket, or while notices could not be heard, is told when the socket opens."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connections
from playwright.sync_api import expect

from apps.changes.services import edit_change
from apps.live import hub as hubs
from apps.live import relay
from apps.live.hub import Hub
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import cookie_of, frames, running_server, socket
from tests.support.watching import IN_CHROMIUM, Scene, apart

LATE_SOCKETS = """(() => {
  const Real = WebSocket;
  window.opened = [];
  window.openLate = () => {};
  window.WebSocket = function (url) {
    const proxy = { close() {} };
    window.openLate = () => {
      const socket = new Real(url);
      socket.onmessage = (event) => proxy.onmessage(event);
      socket.onclose = (event) => proxy.onclose(event);
      window.opened.push(socket);
    };
    return proxy;
  };
})()"""

APART = "14"  # a database of Redis whose subscriptions are those of one test: the others, of other tests, are not ended


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(hubs, "time", found)
    return found


def test_a_process_knows_what_rang_as_far_back_as_it_has_heard_everything(clock: Clock) -> None:
    hub = Hub()
    clock.now += 50
    assert not hub.may_have_rung("one", 49), "nothing rang since"
    assert hub.may_have_rung("one", 51), "before it began it heard nothing, so nobody knows"
    hub.ring("one")
    clock.now += 10
    assert hub.may_have_rung("one", 11)
    assert not hub.may_have_rung("one", 9), "the page is newer than the news"
    assert not hub.may_have_rung("two", 11), "something else rang"
    hub.ring_all()
    clock.now += 1
    assert hub.may_have_rung("two", 2), "notices may have been lost"
    assert not hub.may_have_rung("two", 0.5)
    clock.now += 1_000
    assert hub.may_have_rung("two", hubs.REMEMBERED_SECONDS), "older than anything that is remembered"


def test_what_rang_long_ago_is_forgotten(clock: Clock) -> None:
    hub = Hub()
    for number in range(1_000):
        hub.ring(f"change.{number}")
        hub.ring("board")
        clock.now += 1
    assert len(hub._rung) <= hubs.REMEMBERED_SECONDS + 2


@pytest.fixture
def heard_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs.hub, "_whole_since", float("-inf"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("heard_all")
def test_a_socket_begins_with_what_its_page_may_have_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = (delivery := Delivery.start(tmp_path, pipeline())).people
    row, other = delivery.proposed("one"), delivery.proposed("other")
    monkeypatch.setattr(hubs.hub, "_rung", {})
    edit_change(people.alice, change=row, title="Another title", description="")
    with running_server() as port:

        def first(number: int, query: str) -> list[str]:
            with socket(port, f"/ws/changes/{number}/{query}", cookie_of(people.bob)) as opened:
                return kinds_of(frames(opened, 1))

        assert first(row.number, "?age=30") == ["beat", "change"]
        assert first(row.number, "") == ["beat"], "who shows no page has missed nothing"
        assert first(other.number, "?age=30") == ["beat"], "nothing happened to that one"
        assert first(row.number, "?age=nonsense") == ["beat"]
        assert first(other.number, "?age=86400") == ["beat", "change", "queue"], "nobody knows what that page missed"
    connections.close_all()


def kinds_of(found: Iterator[dict[str, object]]) -> list[str]:
    kinds: list[str] = []
    with suppress(TimeoutError):
        kinds.extend(str(frame["type"]) for frame in found)
    return kinds


@pytest.mark.redis
def test_after_a_lost_subscription_everything_that_is_watched_is_read_again(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    client = redis_or_skip()
    settings.REDIS_URL = f"{settings.REDIS_URL.rpartition('/')[0]}/{APART}"
    rung = threading.Semaphore(0)
    monkeypatch.setattr(relay.hub, "ring_all", rung.release)
    listener = relay.Listener()
    listener.start()
    try:
        assert rung.acquire(timeout=10), "the subscription began"
        for _ in range(3):
            ours = [one["id"] for one in client.client_list(_type="pubsub") if one["db"] == APART]
            assert [client.client_kill_filter(_id=one) for one in ours] == [1]
            assert rung.acquire(timeout=10), "it was lost, and mended"
    finally:
        listener.stop()
        listener.join(10)


@pytest.mark.redis
def test_a_notice_of_somebody_else_that_is_no_name_ends_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    client = redis_or_skip()
    rung, heard = threading.Semaphore(0), threading.Event()
    monkeypatch.setattr(relay.hub, "ring_all", rung.release)
    monkeypatch.setattr(relay.hub, "ring", lambda topic: topic == "change.1" and heard.set())
    listener = relay.Listener()
    listener.start()
    try:
        assert rung.acquire(timeout=10), "the subscription began"
        client.publish(relay.CHANNEL, b"\xff\xfe")
        assert rung.acquire(timeout=10), "another one began"
        client.publish(relay.CHANNEL, "change.1")
        assert heard.wait(10)
    finally:
        listener.stop()
        listener.join(10)


@pytest.mark.redis
def test_who_could_not_send_a_notice_says_so_as_soon_as_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    client = redis_or_skip()
    monkeypatch.setattr(relay, "CHANNEL", f"gitops-portal.test.{os.getpid()}")  # nobody else's notices
    monkeypatch.setattr(relay, "RETRY_SECONDS", 0.2)
    dead = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    monkeypatch.setattr(relay, "_client", lambda: dead)
    with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(relay.CHANNEL)
        subscription.get_message(timeout=2)
        for number in range(5):
            relay.send(f"change.{number}")
        assert subscription.get_message(timeout=1) is None
        monkeypatch.setattr(relay, "_client", lambda: client)
        message = subscription.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"*"
        assert subscription.get_message(timeout=1) is None, "once for all of them"


def redis_or_skip() -> redis.Redis:
    if not settings.REDIS_URL:
        pytest.skip("NOT RUN: no REDIS_URL")
    return redis.Redis.from_url(settings.REDIS_URL)


class TestInChromium:
    pytestmark = IN_CHROMIUM

    @pytest.mark.usefixtures("heard_all")
    def test_a_page_whose_socket_opens_late_shows_what_happened_meanwhile(self, scene: Scene) -> None:
        change = apart(lambda: scene.delivery.proposed("late"))
        page = scene.context.new_page()
        page.add_init_script(LATE_SOCKETS)
        page.goto(f"/changes/{change.number}/")
        page.wait_for_timeout(1500)
        apart(lambda: edit_change(scene.delivery.people.alice, change=change, title="Said meanwhile", description=""))
        page.evaluate("openLate()")
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        expect(page.locator("h1")).to_contain_text("Said meanwhile")

    def test_a_network_that_comes_and_goes_opens_no_second_socket(self, scene: Scene) -> None:
        page = scene.open()
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        alive = page.evaluate("""() => new Promise((done) => {
          opened[0].addEventListener("close", () => {
            for (let times = 0; times < 3; times += 1) dispatchEvent(new Event("online"));
            setTimeout(() => done(opened.filter((socket) => socket.readyState < 2).length), 1500);
          });
          opened[0].close();
        })""")
        assert alive == 1
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live")

    def test_a_refresh_that_finds_the_session_ended_says_so_and_leads_nobody_away(self, scene: Scene) -> None:
        page = scene.open()
        expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        other = scene.context.new_page()
        other.goto("/accounts/logout/")
        other.locator("main").get_by_role("button", name="Sign out").click()
        scene.event("It goes on.")
        expect(page.get_by_role("alert")).to_contain_text("Your session has ended. What you typed is still here.")
        expect(page.locator("#freshness")).to_contain_text("Not live")
        assert "/deployments/" in page.url
