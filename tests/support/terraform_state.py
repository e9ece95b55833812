"""A state backend of Terraform over HTTP that wants a user and a password, as real ones do."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StateServer(ThreadingHTTPServer):
    """``states``: the document at each path; ``locks``: who holds it. ``asked``: method and path of every request that had the password."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.states: dict[str, bytes] = {}
        self.locks: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: StateServer

    def do_GET(self) -> None:
        if self._is_known():
            found = self.server.states.get(self.path)
            self._answer(404 if found is None else 200, found or b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._is_known():
            self.server.states[self.path.partition("?")[0]] = body
            self._answer(200)

    def do_LOCK(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._is_known():
            held = self.server.locks.setdefault(self.path, body)
            self._answer(200 if held is body else 423, held)

    def do_UNLOCK(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._is_known():
            self.server.locks.pop(self.path, None)
            self._answer(200)

    def _is_known(self) -> bool:
        if self.headers.get("Authorization") != self.server.expected:
            self._answer(401)
            return False
        self.server.asked.append((self.command, self.path))
        return True

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        return


@contextmanager
def state_server(user: str, password: str) -> Iterator[StateServer]:
    server = StateServer(user, password)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
