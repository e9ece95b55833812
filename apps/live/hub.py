"""The fan-out inside one server process: topics, and the sockets that listen to them.

Channels' groups deliver a few thousand messages a second per core; a live log with 500
viewers needs ten times that (docs/live.md). So each process keeps one feed per topic: it
reads new rows once, encodes them once, and puts the same frame into a bounded queue of
each socket. Notices come from any thread of this process, or from Redis (``apps.live.relay``).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

QUEUE_LIMIT = 2_000
"""Frames a slow socket may be behind before it is told to start again from its last event."""
REMEMBERED_SECONDS = 120.0
"""How long a process knows what rang. A page that is older when its socket joins is told that it may have missed news."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Encoded once, shared by all sockets. ``last`` is the number of its newest event (0: a notice);
    ``more``: it is full, so the next is to be read at once; ``close`` is a close code instead of content."""

    text: str = ""
    last: int = 0
    more: bool = False
    close: int = 0


OVERRUN = Frame(close=1012)
"""'You were too slow': the consumer closes, the client resumes behind its last event."""


class Mailbox:
    """Frames on their way to one socket. Filled by the feed and drained by the consumer, in one loop."""

    __slots__ = ("_frames", "_ready", "user_id")

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self._frames: deque[Frame] = deque()
        self._ready = asyncio.Event()

    def put(self, frame: Frame) -> None:
        if len(self._frames) >= QUEUE_LIMIT:
            self._frames.clear()
            frame = OVERRUN
        self._frames.append(frame)
        self._ready.set()

    async def take(self) -> list[Frame]:
        """All frames that wait; sleeps while there is none."""
        await self._ready.wait()
        self._ready.clear()
        frames = list(self._frames)
        self._frames.clear()
        return frames


class Topic:
    """One thing that is watched in one event loop: its mailboxes and a bell that rings on news."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.mailboxes: set[Mailbox] = set()
        self.bell = asyncio.Event()
        self.started = asyncio.Event()
        self.feed: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Thread-safe: there is news, read it from the database; nothing where the loop has ended."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.bell.set)


class Hub:
    """Topics by name. One per process; the event loop that subscribes owns the topic."""

    def __init__(self) -> None:
        self.open_sockets = 0
        """Accepted and not yet gone; changed by the event loop only."""
        self._topics: dict[str, Topic] = {}
        self._rung: dict[str, float] = {}
        self._whole_since = time.monotonic()
        self._lock = threading.Lock()

    def ring(self, name: str) -> None:
        """News on ``name``; when nobody in this process listens, it is only remembered for :meth:`may_have_rung`."""
        with self._lock:
            self._remember(name, time.monotonic())
            topic = self._topics.get(name)
            if topic is not None:
                topic.ring()

    def ring_all(self) -> None:
        """Notices may not have reached this process: whatever is watched here may have news."""
        with self._lock:
            self._whole_since = time.monotonic()
            for topic in self._topics.values():
                topic.ring()

    def may_have_rung(self, name: str, within: float) -> bool:
        """Whether ``name`` had news in the last ``within`` seconds, as far as this process can know: a doubt is a yes."""
        since = time.monotonic() - within
        with self._lock:
            is_known = within < REMEMBERED_SECONDS and since > self._whole_since
            return not is_known or self._rung.get(name, since) > since

    def _remember(self, name: str, moment: float) -> None:
        self._rung.pop(name, None)  # again at the end, so that the oldest come first
        self._rung[name] = moment
        while (oldest := next(iter(self._rung))) and self._rung[oldest] < moment - REMEMBERED_SECONDS:
            del self._rung[oldest]

    def join(self, name: str, mailbox: Mailbox, start_feed: Callable[[Topic], asyncio.Task[None]]) -> Topic:
        """Add a mailbox; the first one starts the topic's feed."""
        with self._lock:
            topic = self._topics.get(name)
            if topic is None or topic.loop.is_closed():
                topic = self._topics[name] = Topic(asyncio.get_running_loop())
            topic.mailboxes.add(mailbox)
        if topic.feed is None or topic.feed.done():
            topic.started.clear()  # of a feed that ended: nobody reads what was missed before the new one has its place
            topic.feed = start_feed(topic)
        return topic

    def leave(self, name: str, mailbox: Mailbox) -> None:
        """Remove a mailbox; the last one stops the feed."""
        with self._lock:
            topic = self._topics.get(name)
            if topic is None or mailbox not in topic.mailboxes:
                return
            topic.mailboxes.discard(mailbox)
            if topic.mailboxes:
                return
            del self._topics[name]
        if topic.feed is not None:
            topic.feed.cancel()


hub = Hub()
