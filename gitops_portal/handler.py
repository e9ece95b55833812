"""HTTP under ASGI for views that are all synchronous.

Django's own handler starts a thread for each request and changes threads at every border between
asynchronous and synchronous layers; with a database connection per thread that is several times
what a small page costs. Here a request is one piece of work in one of a few lasting threads, whose
connections last as well (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http import HTTPStatus
from typing import IO, Any

import structlog
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http.response import HttpResponseBase, JsonResponse
from django.urls import set_script_prefix

from apps.core.context import request_id

log = structlog.get_logger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Made = tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class PortalHandler(ASGIHandler):
    """Answers up to ``PORTAL_HTTP_THREADS`` requests at once; others wait in their order."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(settings.PORTAL_HTTP_THREADS, thread_name_prefix="http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.handle(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, answer in a thread, send. A client that has left cannot stop a view that is under way."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        context = copy_context()
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, context.run, self._answer, scope, body)
        await self.send_response(response, send)
        if response.streaming:
            await loop.run_in_executor(self._threads, context.run, response.close)

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> Made:
        """The request, or a refusal of headers from which Django makes none: without it the server would answer, in its words."""
        try:
            made = super().create_request(scope, body_file)
        except (ValueError, TypeError, LookupError, AttributeError) as problem:  # of the parser of mail headers
            log.info("request_not_read", problem=type(problem).__name__)
            return None, _unreadable()
        is_refused = made[1] is not None and made[1].status_code == HTTPStatus.BAD_REQUEST
        return (None, _unreadable()) if is_refused else made

    def _answer(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        """The whole request in this thread, from ``request_started`` to ``request_finished``."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        try:
            request, refused = self.create_request(scope, body)
            response: HttpResponseBase | None = refused if request is None else self.get_response(request)
            assert response is not None, "Django gives a request or a refusal"  # noqa: S101  # for the type checker
            response._handler_class = self.__class__  # type: ignore[attr-defined]  # noqa: SLF001  # the sender of request_finished
            if not response.streaming:
                response.close()  # says request_finished; the content stays
        finally:
            body.close()
        return response


def _unreadable() -> HttpResponseBase:
    """400 as a problem document with an id of its own, for no middleware sees such a request."""
    from apps.api.problems import problem  # loaded only where it is needed

    token = request_id.set(uuid.uuid4().hex)
    try:
        found = problem(400, "bad_request", "The request cannot be read: its address or its Content-Type is malformed.")
    finally:
        request_id.reset(token)
    answer = JsonResponse(found.data, status=found.status_code, content_type=found.content_type)
    answer["X-Request-ID"] = found.data["request_id"]
    return answer
