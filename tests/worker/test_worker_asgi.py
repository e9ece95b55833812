"""The server process starts the embedded engine with its lifespan, and stops it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from gitops_portal.asgi import application
from gitops_portal.handler import PortalHandler


async def live_through(seen: list[set[str]]) -> list[str]:
    """Start up, look at the threads, shut down; the types of what was sent."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[str] = []
    started = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message["type"])
        started.set()

    task = asyncio.create_task(application({"type": "lifespan", "asgi": {"version": "3.0"}}, to_app.get, send))
    await to_app.put({"type": "lifespan.startup"})
    await asyncio.wait_for(started.wait(), 10)
    seen.append({thread.name for thread in threading.enumerate()})
    await to_app.put({"type": "lifespan.shutdown"})
    await asyncio.wait_for(task, 20)
    seen.append({thread.name for thread in threading.enumerate()})
    return sent


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("choice", "runs"), [("embedded", True), ("celery", False), ("none", False)])
def test_the_engine_lives_as_long_as_the_server(settings: Any, choice: str, runs: bool) -> None:
    settings.PORTAL_ENGINE = choice
    seen: list[set[str]] = []
    sent = asyncio.run(live_through(seen))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ("engine" in seen[0], "engine" in seen[1]) == (runs, False)


async def test_a_socket_from_another_site_is_refused() -> None:
    scope = {
        "type": "websocket",
        "path": "/ws/queue/",
        "query_string": b"",
        "headers": [(b"origin", b"https://evil.example"), (b"host", b"localhost")],
        "subprotocols": [],
    }
    socket = ApplicationCommunicator(application, scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(5))["type"] == "websocket.close"
    await socket.wait()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("application/json; x*=bogus''y", ""),
        ("application/json; x*0=a; x*=b", ""),
        ("multipart/form-data; boundary*0=a; boundary*=b", ""),
        ("application/json", "?q=%FF\xff"),
    ],
)
def test_a_request_that_cannot_be_read_is_a_problem_with_an_id(kind: str, query: str) -> None:
    """The server answered 500 in plain text, before anything of ours saw it."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/changes/",
        "query_string": query.encode("latin1"),
        "headers": [(b"content-type", kind.encode()), (b"host", b"localhost")],
    }
    answers: list[Any] = []

    async def ask() -> None:
        caller = ApplicationCommunicator(PortalHandler(), scope)
        await caller.send_input({"type": "http.request", "body": b"{}"})
        answers.extend([await caller.receive_output(10), await caller.receive_output(10)])
        await caller.wait()

    asyncio.run(ask())
    start, body = answers
    headers, told = dict(start["headers"]), json.loads(body["body"])
    assert (start["status"], headers[b"Content-Type"]) == (400, b"application/problem+json")
    assert told["code"] == "bad_request"
    assert told["request_id"] == headers[b"X-Request-ID"].decode()
