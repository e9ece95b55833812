"""People at pages while the portal is restarted: one follows a log, one keeps asking, one keeps writing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.sockets import socket


class Onlooker(threading.Thread):
    """Does ``turn()`` again and again between ``with`` and its end; what a turn raises is kept in ``problems``."""

    def __init__(self, turn: Callable[[], object], pause: float = 0.05, leave: Callable[[], object] = bool) -> None:
        super().__init__(daemon=True)
        self._leave = leave
        self.turns = 0
        self.problems: list[str] = []
        self._turn = turn
        self._pause = pause
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                self._turn()
                self.turns += 1
            except Exception as problem:  # noqa: BLE001  # whatever it is, somebody saw it
                self.problems.append(f"turn {self.turns}: {type(problem).__name__}: {problem}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(30)
        self._leave()


class Viewer(Onlooker):
    """The page of a deployment: resumes behind its last event, and leaves out what it has, as static/js/live.js does."""

    def __init__(self, port: int, number: int, cookie: str, *, host: str = "127.0.0.1") -> None:
        super().__init__(self._watch, pause=0.2)
        self.events: list[dict[str, Any]] = []
        self.closed: list[tuple[int, float]] = []
        """Close codes and when they came (monotonic seconds)."""
        self._port, self._number, self._cookie, self._host = port, number, cookie, host

    @property
    def seq(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    def _watch(self) -> None:
        path = f"/ws/deployments/{self._number}/?after={self.seq}"
        opened = socket(self._port, path, self._cookie, host=self._host)
        with suppress(ConnectionClosed, InvalidHandshake, OSError), opened as open_socket:
            while not self._ended.is_set():
                try:
                    frame = json.loads(open_socket.recv(timeout=0.3))
                except TimeoutError:
                    continue
                except ConnectionClosed as closed:
                    self.closed.append((closed.rcvd.code if closed.rcvd else 0, time.monotonic()))
                    return
                self.events += [event for event in frame.get("events", []) if event["seq"] > self.seq]


def asking(port: int, path: str, cookie: str) -> Onlooker:
    """GETs a page over and over, each time by a connection of its own."""

    def turn() -> None:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Cookie": cookie}, timeout=20)
        assert answer.status_code == 200, answer.status_code

    return Onlooker(turn)


def writing(port: int, path: str, token: str) -> Onlooker:
    """POSTs numbered threads by one connection that is kept open as long as the server lets it; never asks again."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def turn() -> None:
        answer = client.post(path, json={"body": f"note {onlooker.turns + 1}"})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:300]}"

    onlooker = Onlooker(turn, pause=0.1, leave=client.close)
    return onlooker
