"""WebSockets: read-only, authorised when opened and again before every frame.

Plain ASGI applications instead of Channels' consumer classes: a consumer's inbox costs more
than the frame it carries. Close codes: 4401 sign in again, 4403 you may no longer see this,
4404 there is nothing here, 1012 the server restarts or the client was too slow: resume.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser

from apps.accounts.models import User
from apps.live import feeds
from apps.live.frames import beat
from apps.live.hub import Mailbox, Topic, hub

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SIGN_IN, NOTHING_HERE = 4401, 4404
SESSION_CHECK_SECONDS = 30.0


async def deployment_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/deployments/<number>/?after=<seq>``: every event behind ``after``, then live."""
    await _serve(scope, receive, send, feeds.deployment_feed)


async def change_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/changes/<number>/``: notices that the change's regions are different now."""
    await _serve(scope, receive, send, feeds.change_feed)


async def queue_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/queue/``: notices that one's own queue is different now."""
    await _serve(scope, receive, send, feeds.queue_feed)


async def board_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """``/ws/board/``: notices that some environment is different now."""
    await _serve(scope, receive, send, feeds.board_feed)


async def _serve(scope: Scope, receive: Receive, send: Send, find: feeds.Finder) -> None:
    user = scope.get("user") or AnonymousUser()
    await receive()
    if not isinstance(user, User) or not user.is_active:
        await _refuse(send, SIGN_IN)
        return
    number = int(scope["url_route"]["kwargs"].get("number", 0))
    feed = await database_sync_to_async(find)(user, number)
    if feed is None:
        await _refuse(send, NOTHING_HERE)
        return
    await send({"type": "websocket.accept"})
    await _run(feed, scope, receive, send, _after(scope))


async def _refuse(send: Send, code: int) -> None:
    # Accept first: browsers hide the code of a refused handshake from the page.
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})


def _after(scope: Scope) -> int:
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("after", ["0"])
    return int(values[0]) if values[0].isdecimal() and len(values[0]) < 10 else 0


async def _run(feed: feeds.Feed, scope: Scope, receive: Receive, send: Send, after: int) -> None:
    mailbox = Mailbox(scope["user"].pk)
    topic = hub.join(feed.topic, mailbox, feed.start)
    work = (_until_gone(receive), _until_signed_out(scope, send), _deliver(feed, topic, mailbox, send, after))
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        hub.leave(feed.topic, mailbox)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _until_gone(receive: Receive) -> None:
    """Read until the client leaves; whatever it says is ignored, because sockets never write."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _until_signed_out(scope: Scope, send: Send) -> None:
    """Close when the session behind this socket ended; the page then offers to sign in."""
    while True:
        await asyncio.sleep(SESSION_CHECK_SECONDS)
        user = await get_user(scope)
        if not user.is_authenticated:
            await send({"type": "websocket.close", "code": SIGN_IN})
            return


async def _deliver(feed: feeds.Feed, topic: Topic, mailbox: Mailbox, send: Send, after: int) -> None:
    """First what the client missed, then what the feed brings.

    The feed fixes its position before we read the rows, so a row is in one of the two or in
    both, never in none; what comes twice is left out here or, inside a frame, by the client.
    """
    await topic.started.wait()
    seen = after
    while True:
        frame = await database_sync_to_async(feed.read)(seen)
        if frame is None:
            break
        seen = frame.last
        await send({"type": "websocket.send", "text": frame.text})
    await send({"type": "websocket.send", "text": beat(seen)})
    while True:
        for frame in await mailbox.take():
            if frame.close:
                await send({"type": "websocket.close", "code": frame.close})
                return
            if frame.last and frame.last <= seen:
                continue
            seen = max(seen, frame.last)
            await send({"type": "websocket.send", "text": frame.text})
