"""Middleware of the composition root: gives every request an id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.core.context import request_id

_ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")


def request_context(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Take a well-formed ``X-Request-ID`` or make one; logs, audit entries and error pages show it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        current = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(current)
        try:
            response = get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = current
        return response

    return middleware
