"""Counting requests by the route that answered, never by their address."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from apps.operations.metrics import count_request

Answer = Callable[[HttpRequest], HttpResponse]
NO_ROUTE = "none"


def count_requests(get_response: Answer) -> Answer:
    """Costs nothing unless metrics are switched on."""
    if not settings.PORTAL_METRICS:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        response = get_response(request)
        count_request(route_of(request), request.method or "", response.status_code, time.perf_counter() - begun)
        return response

    return middleware


def route_of(request: HttpRequest) -> str:
    """The name of the route, or its pattern; ``none`` for static files and what does not exist."""
    match = request.resolver_match
    return NO_ROUTE if match is None else (match.view_name if match.url_name else match.route)
