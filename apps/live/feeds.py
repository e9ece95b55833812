"""What a topic is fed from: one task per topic and process, whatever the number of viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from channels.db import database_sync_to_async
from django.db import Error
from django.db.models import Max

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.deployments.models import Deployment, DeploymentEvent
from apps.deployments.queries import find_environment
from apps.live.frames import beat, events_frame, notice
from apps.live.hub import Frame, Topic
from apps.live.topics import (
    BOARD_TOPIC,
    DESK_TOPIC,
    change_topic,
    deployment_topic,
    environment_topic,
    queue_topic,
)
from apps.repositories.access import who_see

BEAT_SECONDS = 5.0
FORBIDDEN = Frame(close=4403)
log = structlog.get_logger(__name__)
# Its own threads: the default would queue all feeds behind one thread of the process.
in_thread = partial(database_sync_to_async, thread_sensitive=False)


def _nothing_to_replay(_after: int) -> Frame | None:
    return None


def _at_zero() -> int:
    return 0


@dataclass(frozen=True)
class Feed:
    """How one topic is read.

    ``read(after)``: the next numbered frame or ``None``; ``position()``: the newest number now;
    ``allowed(user ids)``: those who may still see it; ``kind``: of the notice when nothing is numbered;
    ``beats``: whether silence is filled with beats, so that a page knows that it is alive.
    """

    topic: str
    allowed: Callable[[set[int]], set[int]]
    kind: str = ""
    read: Callable[[int], Frame | None] = _nothing_to_replay
    position: Callable[[], int] = _at_zero
    beats: bool = True

    def start(self, topic: Topic) -> asyncio.Task[None]:
        return asyncio.create_task(self._run(topic), name=f"feed {self.topic}")

    async def _run(self, topic: Topic) -> None:
        last = await self._first_position()
        topic.started.set()
        while True:
            rung = False
            with suppress(TimeoutError):
                rung = await asyncio.wait_for(topic.bell.wait(), BEAT_SECONDS if self.beats else None)
            topic.bell.clear()
            try:
                last = await self._spread(topic, last, rung=rung)
            except Error as error:
                # The same rows are read again, as if it had rung; meanwhile pages see no beat and say so.
                log.warning("live_feed_waits", topic=self.topic, error=type(error).__name__)
                await asyncio.sleep(BEAT_SECONDS)
                topic.bell.set()

    async def _first_position(self) -> int:
        """Where to begin; asked until the database answers, because sockets wait for it."""
        while True:
            try:
                return int(await in_thread(self.position)())
            except Error as error:
                log.warning("live_feed_waits", topic=self.topic, error=type(error).__name__)
                await asyncio.sleep(1.0)

    async def _spread(self, topic: Topic, last: int, *, rung: bool) -> int:
        """Send what is new to everybody who may still see it; returns the new position.

        One visit of another thread for a message: at twenty lines a second the visits are what a viewer waits for.
        What is written after the last read rings again, so a message that is not full is the last one.
        """
        sent = False
        while True:
            asked = _present(topic)
            allowed, frame = await in_thread(self._news)(asked, last)  # rights may have ended since the last message
            while came := _present(topic) - asked:  # while we read
                asked |= came
                allowed |= await in_thread(self.allowed)(came)
            if frame is None:
                if not sent:
                    _put(topic, allowed, notice(self.kind) if rung and self.kind else Frame(beat(last)))
                return last
            last, sent = frame.last, True
            _put(topic, allowed, frame)
            if not frame.more:
                return last

    def _news(self, present: set[int], last: int) -> tuple[set[int], Frame | None]:
        return self.allowed(present), self.read(last)


def _present(topic: Topic) -> set[int]:
    return {mailbox.user_id for mailbox in topic.mailboxes}


def _put(topic: Topic, allowed: set[int], frame: Frame) -> None:
    for mailbox in tuple(topic.mailboxes):
        mailbox.put(frame if mailbox.user_id in allowed else FORBIDDEN)


Finder = Callable[..., Feed | None]
"""Takes the person and what the address names; ``None``: they may not see it, or there is none."""


def _who_are_active(user_ids: set[int]) -> set[int]:
    return set(User.objects.filter(pk__in=user_ids, is_active=True).values_list("pk", flat=True))


def deployment_feed(user: User, number: int) -> Feed | None:
    row = Deployment.objects.visible_to(user).filter(number=number).select_related("environment").first()
    if row is None:
        return None
    events = DeploymentEvent.objects.filter(deployment=row)
    return Feed(
        topic=deployment_topic(row.pk),
        allowed=partial(who_see, row.environment.repository_id),
        read=lambda after: events_frame(row.pk, after),
        position=lambda: events.aggregate(last=Max("seq"))["last"] or 0,
    )


def change_feed(user: User, number: int) -> Feed | None:
    row = ChangeRequest.objects.visible_to(user).filter(number=number).first()
    if row is None:
        return None
    return Feed(topic=change_topic(row.pk), allowed=partial(who_see, row.repository_id), kind="change")


def environment_feed(user: User, repository: str, name: str) -> Feed | None:
    try:
        row = find_environment(user, repository, name)
    except NotVisible:
        return None
    return Feed(topic=environment_topic(row.pk), allowed=partial(who_see, row.repository_id), kind="board")


def queue_feed(_user: User) -> Feed | None:
    """Beats alone, the same for everybody: what is personal comes by :func:`own_feed`, as on every socket."""
    return Feed(topic=DESK_TOPIC, allowed=_who_are_active)


def own_feed(user_id: int) -> Feed:
    """Notices that this person's queue or inbox is different. Every socket carries them, so that one is enough."""
    return Feed(topic=queue_topic(user_id), allowed=_who_are_active, kind="queue", beats=False)


def board_feed(_user: User) -> Feed | None:
    """Of all environments; each page shows those that its reader may see."""
    return Feed(topic=BOARD_TOPIC, allowed=_who_are_active, kind="board")
