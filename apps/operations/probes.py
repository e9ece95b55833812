"""``/healthz``, ``/readyz`` and ``/metrics``, before Django.

Here and not in a view: probes come by an address that is no allowed host, and must be answered when all
threads for requests are taken.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings

from apps.operations import metrics
from apps.operations.readiness import Readiness, is_ready

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, str, bytes]
PLAIN, JSON = "text/plain; charset=utf-8", "application/json"
NOT_FOUND: Answer = (404, PLAIN, b"not found\n")


class Probes:
    """Answers the three paths, and gives every other one to ``within``."""

    def __init__(self, within: Application | None = None) -> None:
        self._within = within
        self._readiness = Readiness()
        self._paths = {"/healthz": self._health, "/readyz": self._ready, "/metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._paths.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None and self._within is not None:
            await self._within(scope, receive, send)
        elif scope["type"] == "http":
            await _send(send, await _answered(answer, scope), with_body=scope["method"] != "HEAD")

    async def _health(self, _scope: Scope) -> Answer:
        """The process answers, and asks nothing of anybody: a database that is away is no reason to restart it."""
        return 200, PLAIN, b"ok\n"

    async def _ready(self, _scope: Scope) -> Answer:
        parts = await self._readiness.parts()
        ready = is_ready(parts, serves=self._within is not None)
        return 200 if ready else 503, JSON, json.dumps({"ready": ready, "parts": parts}).encode()

    async def _metrics(self, scope: Scope) -> Answer:
        if not settings.PORTAL_METRICS:
            return NOT_FOUND
        if not _has_token(scope):
            return 401, PLAIN, b"a bearer token is needed\n"
        return 200, metrics.CONTENT_TYPE, await asyncio.to_thread(metrics.text)


async def _answered(answer: Callable[[Scope], Awaitable[Answer]] | None, scope: Scope) -> Answer:
    if answer is None:
        return NOT_FOUND
    if scope["method"] not in {"GET", "HEAD"}:
        return 405, PLAIN, b"only GET\n"
    return await answer(scope)


def _has_token(scope: Scope) -> bool:
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    wanted = f"Bearer {settings.PORTAL_METRICS_TOKEN}".encode()
    return hmac.compare_digest(headers.get(b"authorization", b""), wanted)


async def _send(send: Send, answer: Answer, *, with_body: bool) -> None:
    status, kind, body = answer
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if with_body else b""})
