"""The fan-out inside one process: one feed for all viewers, slow ones are let go, errors are survived."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import DatabaseError

from apps.live import consumers, feeds
from apps.live.feeds import Feed
from apps.live.hub import OVERRUN, QUEUE_LIMIT, Frame, Hub, Mailbox, Topic


def everybody(ids: set[int]) -> set[int]:
    return ids


class Source:
    """Numbered frames as a feed reads them; ``fails`` reads raise first, as a database that restarts does."""

    def __init__(self, last: int = 0, fails: int = 0) -> None:
        self.last = last
        self.fails = fails
        self.reads = 0

    def read(self, after: int) -> Frame | None:
        self.reads += 1
        if self.fails:
            self.fails -= 1
            raise DatabaseError("gone for a moment")
        return Frame(f"event {after + 1}", after + 1) if after < self.last else None

    def position(self) -> int:
        if self.fails:
            self.fails -= 1
            raise DatabaseError("gone for a moment")
        return self.last

    def feed(self, allowed: Any = everybody) -> Feed:
        return Feed("test", allowed, read=self.read, position=self.position)


async def until(true: Any, seconds: float = 3.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not become true.")


async def taken(mailbox: Mailbox) -> list[Frame]:
    return await asyncio.wait_for(mailbox.take(), 3)


async def test_all_viewers_share_one_feed_and_get_the_same_frame():
    hub, source = Hub(), Source()
    feed = source.feed()
    boxes = [Mailbox(number) for number in range(1, 51)]
    topics = {id(hub.join("test", box, feed.start)) for box in boxes}
    assert len(topics) == 1
    topic = hub.join("test", boxes[0], feed.start)
    await topic.started.wait()
    source.reads, source.last = 0, 1
    hub.ring("test")
    got = [await taken(box) for box in boxes]
    assert source.reads <= 3, "rows are read once for everybody, not once for each"
    assert {id(frames[0]) for frames in got} == {id(got[0][0])}
    for box in boxes:
        hub.leave("test", box)
    await until(lambda: topic.feed is not None and topic.feed.done())


async def test_the_last_viewer_stops_the_feed_and_the_next_one_starts_another():
    hub, source = Hub(), Source()
    box = Mailbox(1)
    first = hub.join("test", box, source.feed().start)
    await first.started.wait()
    hub.leave("test", box)
    hub.leave("test", box)  # leaving twice is no error
    second = hub.join("test", box, source.feed().start)
    assert second is not first
    await second.started.wait()
    source.last = 1
    hub.ring("test")
    assert [frame.last for frame in await taken(box)] == [1]
    hub.leave("test", box)


async def test_behind_a_feed_that_ended_nobody_reads_before_the_next_one_has_its_place():
    hub, source = Hub(), Source(last=3)
    first, second = Mailbox(1), Mailbox(2)
    topic = hub.join("test", first, source.feed().start)
    await topic.started.wait()
    assert topic.feed is not None
    topic.feed.cancel()
    await asyncio.wait([topic.feed])
    assert hub.join("test", second, source.feed().start) is topic
    assert not topic.started.is_set(), "what is missed now would be in neither of the two"
    await asyncio.wait_for(topic.started.wait(), 3)
    source.last = 4
    hub.ring("test")
    assert [frame.last for frame in await taken(second)] == [4]
    for box in (first, second):
        hub.leave("test", box)


async def test_ringing_what_nobody_watches_does_nothing():
    Hub().ring("nobody")


async def test_a_feed_survives_a_database_that_is_away_for_a_moment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "BEAT_SECONDS", 0.05)
    hub, source = Hub(), Source(last=3)
    box = Mailbox(1)
    topic = hub.join("test", box, source.feed().start)
    await topic.started.wait()
    source.fails, source.last = 2, 4
    hub.ring("test")
    seen: list[int] = []
    while 4 not in seen:
        seen += [frame.last for frame in await taken(box)]
    assert source.fails == 0
    hub.leave("test", box)


async def test_a_feed_whose_first_read_fails_still_begins():
    hub, source = Hub(), Source(last=3, fails=1)
    box = Mailbox(1)
    topic = hub.join("test", box, source.feed().start)
    await asyncio.wait_for(topic.started.wait(), 5)
    hub.leave("test", box)


async def test_who_may_not_see_it_any_more_gets_a_close_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "BEAT_SECONDS", 0.05)
    hub, source = Hub(), Source()
    permitted = {1, 2}
    feed = source.feed(allowed=lambda ids: ids & permitted)
    good, lost = Mailbox(1), Mailbox(2)
    topic = hub.join("test", good, feed.start)
    hub.join("test", lost, feed.start)
    await topic.started.wait()
    permitted.discard(2)
    source.last = 1
    hub.ring("test")
    assert next(iter(await taken(lost))).close == 4403
    assert all(not frame.close for frame in await taken(good))
    hub.leave("test", good)
    hub.leave("test", lost)


async def test_a_viewer_who_is_too_slow_is_told_to_resume_and_costs_no_more_memory():
    box = Mailbox(1)
    for number in range(QUEUE_LIMIT + 1):
        box.put(Frame("x", number + 1))
    assert await taken(box) == [OVERRUN]


async def test_a_slow_socket_is_closed_with_1012_and_resumes_without_a_gap():
    """The sender is held at its first frame until far too many wait; then it closes, and says where it stood."""
    source = Source()
    box = Mailbox(1)
    topic = Topic(asyncio.get_running_loop())
    topic.started.set()
    held, sent = asyncio.Event(), []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if len(sent) > 1:
            await held.wait()

    task = asyncio.create_task(consumers._deliver(source.feed(), topic, box, send, after=0, missed=[]))
    for number in range(1, QUEUE_LIMIT + 10):
        box.put(Frame(f"event {number}", number))
        if number < 3:
            await asyncio.sleep(0.01)
    held.set()
    await asyncio.wait_for(task, 5)
    assert sent[-1] == {"type": "websocket.close", "code": 1012}
    numbers = [int(message["text"].split()[1]) for message in sent[1:-1]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_who_joins_while_news_is_read_gets_it_and_is_not_thrown_out():
    begun, go_on = threading.Event(), threading.Event()
    asked: list[set[int]] = []

    def allowed(ids: set[int]) -> set[int]:
        asked.append(set(ids))
        return ids - {3}

    def read(after: int) -> Frame | None:
        begun.set()
        assert go_on.wait(5)
        return Frame(f"event {after + 1}", after + 1, more=after == 0)

    feed, topic = Feed("test", allowed, read=read), Topic(asyncio.get_running_loop())
    first, joins, stranger = Mailbox(1), Mailbox(2), Mailbox(3)
    topic.mailboxes.add(first)
    spread = asyncio.create_task(feed._spread(topic, 0, rung=True))
    await until(begun.is_set)
    topic.mailboxes |= {joins, stranger}
    go_on.set()
    assert await asyncio.wait_for(spread, 5) == 2
    assert [frame.last for frame in await taken(first)] == [1, 2]
    assert [frame.last for frame in await taken(joins)] == [1, 2]
    assert {frame.close for frame in await taken(stranger)} == {4403}
    assert asked == [{1}, {2, 3}, {1, 2, 3}], "and again before each message"
