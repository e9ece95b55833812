"""A real server in a thread of the test, and sockets to it as a browser opens them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import uvicorn
from django.db import transaction
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from apps.accounts.models import User
from apps.deployments.models import Deployment, DeploymentEvent
from apps.deployments.transitions import append_event

PATIENCE = 10.0  # seconds


@contextmanager
def running_server() -> Iterator[int]:
    """The portal's own ASGI application on a free port of this machine; yields the port."""
    from gitops_portal.asgi import application

    config = uvicorn.Config(application, host="127.0.0.1", port=0, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def cookie_of(user: User) -> str:
    """The Cookie header of a browser in which ``user`` signed in."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def socket(
    port: int, path: str, cookie: str = "", *, origin: str | None = "", host: str = "127.0.0.1"
) -> AbstractContextManager[ClientConnection]:
    """A socket, open inside ``with``; ``origin`` is that of the portal's own pages unless given (``None``: sent without)."""
    wanted = f"http://{host}:{port}" if origin == "" else origin
    headers = {"Cookie": cookie} if cookie else {}
    return connect(f"ws://{host}:{port}{path}", additional_headers=headers, origin=wanted, open_timeout=PATIENCE)


def refusal(port: int, path: str, cookie: str = "") -> int:
    """The code with which a socket that may not be opened is closed."""
    with socket(port, path, cookie) as open_socket:
        return close_code(open_socket)


def close_code(open_socket: ClientConnection, seconds: float = PATIENCE) -> int:
    """The code with which the server closes; frames before that are read and left out."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            open_socket.recv(timeout=max(0.1, until - time.monotonic()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0
    raise AssertionError("The server did not close the socket.")


def frames(open_socket: ClientConnection, seconds: float = PATIENCE) -> Iterator[dict[str, Any]]:
    """Frames as they come, for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield json.loads(open_socket.recv(timeout=max(0.05, until - time.monotonic())))


def events_until(open_socket: ClientConnection, seq: int) -> list[dict[str, Any]]:
    """All events up to number ``seq``, as they came."""
    found: list[dict[str, Any]] = []
    for frame in frames(open_socket):
        found += frame.get("events", [])
        if found and found[-1]["seq"] >= seq:
            return found
    raise AssertionError(f"Event {seq} did not come; the last one was {found[-1:]}.")


def log_event(
    row: Deployment, first: int, lines: int, *, step: str = "apply", text: str = "line", attempt: int = 1
) -> int:
    """Write one log event of ``lines`` lines beginning with number ``first``, as a worker does; its number."""
    with transaction.atomic():
        words = "\n".join(f"{text} {number}" for number in range(first, first + lines))
        return append_event(
            row,
            kind=DeploymentEvent.Kind.LOG,
            text=words,
            attempt=attempt,
            step=step,
            first_line=first,
            data={"lines": lines},
        )
