"""An outside system over real HTTP on 127.0.0.1 that checks every request and can misbehave in the ways that matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support import serving as servers

COMMIT = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
OTHER_COMMIT = "ffffffffffffffffffffffffffffffffffffffff"
MINUTE_AGO = "2026-01-02T03:04:05.678Z"


@dataclass(frozen=True)
class Asked:
    """One request. ``query`` has the first value of each name; ``body`` is JSON, a form, or ``None``."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answered:
    """What goes back: JSON, or raw bytes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Stub:
    """``faults``: "METHOD regex of the path" → a status (nothing happens), "cut" (nothing happens and the
    connection is cut), "drop" (it happens, and the connection is cut), or "text" (it happens, no JSON answers).

    ``wrong`` collects requests that the system's description does not allow; a test ends with none.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answered:
        """What the system does and says."""
        raise NotImplementedError

    def take(self, asked: Asked) -> Answered | None:
        """The answer, or ``None`` to cut the connection."""
        self.asked.append(asked)
        fault = next((fault for rule, fault in self.faults.items() if _fits(rule, asked)), None)
        if isinstance(fault, int):
            return Answered(fault, {"message": f"says the stub {fault}"})
        if fault == "cut":
            return None
        answered = self.answer(asked)
        if fault == "text":
            return Answered(200, b"<html>a proxy</html>")
        return None if fault == "drop" else answered

    def count(self, rule: str) -> int:
        """How often it was asked that."""
        return sum(1 for asked in self.asked if _fits(rule, asked))


S = TypeVar("S", bound=Stub)


def _fits(rule: str, asked: Asked) -> bool:
    method, _, path = rule.partition(" ")
    return asked.method == method and re.search(path, asked.path) is not None


def _body(raw: bytes, kind: str) -> Any:
    if not raw:
        return None
    if "json" in kind:
        return json.loads(raw)
    return {name: values[0] for name, values in parse_qs(raw.decode(), keep_blank_values=True).items()}


@contextmanager
def serving(stub: S) -> Iterator[S]:
    """The stub on a free port; its ``url`` is set. At the end it must have been asked nothing wrong."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = _body(raw, headers.get("content-type", ""))
            answered = stub.take(Asked(self.command, parts.path, query, headers, body))
            if answered is None:
                self.close_connection = True
                self.connection.close()
                return
            out = answered.body if isinstance(answered.body, bytes) else json.dumps(answered.body).encode()
            out = b"" if answered.status == 204 else out
            self.send_response(answered.status)
            for name, value in {"Content-Length": str(len(out)), **answered.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(out)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_message(self, *_: Any) -> None:
            return

    with servers.serving(Handler) as stub.url:
        yield stub
    assert stub.wrong == []
