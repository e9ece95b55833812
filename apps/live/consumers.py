"""WebSockets: read-only, authorised when opened and again before every frame.

Plain ASGI applications instead of Channels' consumer classes: a consumer's inbox costs more
than the frame it carries. Close codes: 4401 sign in again, 4403 you may no longer see this,
4404 there is nothing here, 1012 the server restarts or the client was too slow: resume.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.core.text import is_storable
from apps.live import feeds
from apps.live.frames import beat, notice
from apps.live.hub import Frame, Mailbox, Topic, hub

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SIGN_IN, NOTHING_HERE = 4401, 4404
SESSION_CHECK_SECONDS = 30.0
HANDSHAKE_SECONDS = 3.0
"""An address that says how old the page is was written so long ago at most; pages ask by themselves when it took longer."""


async def deployment_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/deployments/<number>/?after=<seq>``: every event behind ``after``, then live."""
    await _serve(scope, receive, send, feeds.deployment_feed)


async def change_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/changes/<number>/``: notices that the change's regions are different now."""
    await _serve(scope, receive, send, feeds.change_feed)


async def environment_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/environments/<repository>/<name>/``: notices that this environment is different now."""
    await _serve(scope, receive, send, feeds.environment_feed)


async def queue_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/queue/``: notices that one's own queue or inbox is different now, which every other socket carries too."""
    await _serve(scope, receive, send, feeds.queue_feed)


async def board_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/board/``: notices that some environment is different now."""
    await _serve(scope, receive, send, feeds.board_feed)


async def unknown_socket(_scope: Scope, receive: Receive, send: Send) -> None:
    """Any other address: there is nothing here, whoever asks."""
    await receive()
    await _refuse(send, NOTHING_HERE)


# Each also takes ``age=<seconds>`` of the page that opens it, and then begins with notices of what that may have missed.


async def _serve(scope: Scope, receive: Receive, send: Send, find: feeds.Finder) -> None:
    user = scope.get("user") or AnonymousUser()
    await receive()
    if not isinstance(user, User) or not user.is_active:
        await _refuse(send, SIGN_IN)
        return
    named = scope["url_route"]["kwargs"]
    is_found = all(is_storable(text) for text in named.values() if isinstance(text, str))
    feed = await feeds.in_thread(find)(user, **named) if is_found else None
    if feed is None:
        await _refuse(send, NOTHING_HERE)
        return
    await send({"type": "websocket.accept"})
    await _run(feed, scope, receive, send)


async def _refuse(send: Send, code: int) -> None:
    # Accept first: browsers hide the code of a refused handshake from the page.
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})


def _asked(scope: Scope, name: str) -> int | None:
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(name, [""])
    return int(values[0]) if values[0].isdecimal() and len(values[0]) < 10 else None


async def _run(feed: feeds.Feed, scope: Scope, receive: Receive, send: Send) -> None:
    mailbox = Mailbox(scope["user"].pk)
    own = feeds.own_feed(mailbox.user_id)
    topic = hub.join(feed.topic, mailbox, feed.start)
    hub.join(own.topic, mailbox, own.start)
    missed = [one.kind for one in (feed, own) if one.kind and _may_have_missed(one.topic, _asked(scope, "age"))]
    delivery = _deliver(feed, topic, mailbox, send, after=_asked(scope, "after") or 0, missed=missed)
    work = (_until_gone(receive), _until_signed_out(scope, send), delivery)
    tasks = [asyncio.create_task(one) for one in work]
    hub.open_sockets += 1
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(OSError):  # the server's way to say that the client is gone already
                task.result()
    finally:
        hub.open_sockets -= 1
        hub.leave(feed.topic, mailbox)
        hub.leave(own.topic, mailbox)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


def _may_have_missed(topic: str, age: int | None) -> bool:
    """Whether there was news between the page, rendered ``age`` seconds ago at most, and this socket, which hears all."""
    return age is not None and hub.may_have_rung(topic, age + HANDSHAKE_SECONDS)


async def _until_gone(receive: Receive) -> None:
    """Read until the client leaves; whatever it says is ignored, because sockets never write."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _until_signed_out(scope: Scope, send: Send) -> None:
    """Close when the session behind this socket ended; the page then offers to sign in."""
    while True:
        await asyncio.sleep(SESSION_CHECK_SECONDS)
        if not await feeds.in_thread(_is_signed_in)(scope):
            await send({"type": "websocket.close", "code": SIGN_IN})
            return


def _is_signed_in(scope: Scope) -> bool:
    """Whether the session of this socket still exists, is this person's, and is of the present password.

    It is read anew: the copies in ``scope`` were loaded when the socket opened and never change.
    """
    key = scope["session"].session_key
    user = User.objects.filter(pk=scope["user"].pk).first()
    if not key or user is None:
        return False
    stored = import_module(settings.SESSION_ENGINE).SessionStore(key)
    is_same = str(stored.get(SESSION_KEY, "")) == str(user.pk)
    return is_same and constant_time_compare(stored.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


async def _deliver(
    feed: feeds.Feed, topic: Topic, mailbox: Mailbox, send: Send, *, after: int, missed: list[str]
) -> None:
    """First what the client missed, then what the feed brings.

    The feed fixes its position before we read the rows, so a row is in one of the two or in
    both, never in none; what comes twice is left out here or, inside a frame, by the client.
    """
    await topic.started.wait()
    seen = await _replay(feed, mailbox.user_id, send, after)
    if seen is None:
        await send({"type": "websocket.close", "code": feeds.FORBIDDEN.close})
        return
    await send({"type": "websocket.send", "text": beat(seen)})
    for kind in missed:
        await send({"type": "websocket.send", "text": notice(kind).text})
    while True:
        for frame in await mailbox.take():
            if frame.close:
                await send({"type": "websocket.close", "code": frame.close})
                return
            if frame.last and frame.last <= seen:
                continue
            seen = max(seen, frame.last)
            await send({"type": "websocket.send", "text": frame.text})


async def _replay(feed: feeds.Feed, user_id: int, send: Send, after: int) -> int | None:
    """Send everything behind ``after``; the last number, or ``None`` when the right to see it ended meanwhile."""

    def next_frame() -> tuple[bool, Frame | None]:
        return user_id in feed.allowed({user_id}), feed.read(after)

    while True:
        is_allowed, frame = await feeds.in_thread(next_frame)()
        if not is_allowed:
            return None
        if frame is None:
            return after
        after = frame.last
        await send({"type": "websocket.send", "text": frame.text})
