"""Counting and tracing requests by the route that answered, never by their address."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from apps.core import tracing
from apps.core.tracing import Fact
from apps.operations.metrics import METHODS, count_request

Answer = Callable[[HttpRequest], HttpResponse]
NO_ROUTE = "none"
TRACE_HEADERS = ("traceparent", "tracestate")


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


def trace_requests(get_response: Answer) -> Answer:
    """A span for each request, inside of the caller's if it says so (``traceparent``). Not there unless traces are sent."""
    if not settings.PORTAL_TRACES:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        cause = {name: request.headers[name] for name in TRACE_HEADERS if name in request.headers}
        facts: dict[str, Fact] = {"http.request.method": _method(request)}
        with tracing.span(_method(request), kind="server", cause=cause, facts=facts) as note:
            response = get_response(request)
            route = route_of(request)
            facts = {"http.route": route, "http.response.status_code": response.status_code}
            note(facts, name=f"{_method(request)} {route}")
        return response

    return middleware


def _method(request: HttpRequest) -> str:
    return request.method if request.method in METHODS else "_OTHER"


def route_of(request: HttpRequest) -> str:
    """The name of the route, or its pattern; ``none`` for static files and what does not exist."""
    match = request.resolver_match
    return NO_ROUTE if match is None else (match.view_name if match.url_name else match.route)
