"""An outside system that takes signed requests over real HTTP and can misbehave in the ways that matter."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.serving import serving

KEY = b"a key of twenty-four bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def signature(message_id: str, stamp: str, body: bytes, key: bytes = KEY) -> str:
    """The ``v1`` signature of Standard Webhooks, written down once more from its text."""
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


@dataclass
class Receiver:
    """``behaviour``: accept | drop (takes it, and cuts the connection) | a status as text."""

    url: str = ""
    behaviour: str = "accept"
    requests: list[dict[str, Any]] = field(default_factory=list)
    effects: dict[str, dict[str, Any]] = field(default_factory=dict)  # by webhook-id, once each

    def take(self, headers: Any, body: bytes) -> bool:
        message_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        is_signed = hmac.compare_digest(headers["webhook-signature"], signature(message_id, stamp, body))
        self.requests.append(
            {"id": message_id, "signed": is_signed, "body": json.loads(body), "headers": dict(headers)}
        )
        return is_signed

    def started(self) -> list[dict[str, Any]]:
        """What it set going, each once."""
        return [one for one in self.effects.values() if one["type"] == "deployment.requested"]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not here.take(self.headers, body):
                self.send_error(401)
                return
            if here.behaviour not in {"accept", "drop"}:
                self.send_response(int(here.behaviour))
                self.end_headers()
                self.wfile.write(b'{"message": "says the receiver"}')
                return
            here.effects.setdefault(self.headers["webhook-id"], json.loads(body))
            if here.behaviour == "drop":
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b'{"id": "run-7"}')

        def log_message(self, *_: Any) -> None:
            return

    with serving(Handler) as here.url:
        yield here
