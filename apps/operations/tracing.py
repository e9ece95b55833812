"""Traces by OpenTelemetry, sent over OTLP and HTTP. Imported only where they are switched on: the packages are optional.

Where to, how many and how is said by the standard variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``,
``OTEL_BSP_…``), which the library reads itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from apps.core import tracing
from apps.core.context import request_id
from apps.core.tracing import Cause, Fact, Kind, Note

SERVICE = "gitops-portal"
REQUEST = "portal.request_id"
KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
# The standard headers of W3C Trace Context, and no baggage: what others put into it is not ours to pass on.
_carrier = TraceContextTextMapPropagator()
_asked_by: ContextVar[str] = ContextVar("request_that_asked_for_this_work", default="")


class OpenTelemetryRecorder:
    """Sends spans in the background; what a collector does not take is dropped, and never holds up the portal."""

    def __init__(self) -> None:
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
        self._provider = TracerProvider(resource=Resource.create(named))
        exporter = OTLPSpanExporter(headers=_headers(settings.PORTAL_TRACES_HEADERS) or None)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gitops_portal")

    @contextmanager
    def span(self, name: str, *, kind: Kind, cause: Cause, facts: Mapping[str, Fact]) -> Iterator[Note]:
        asked = _asked_by.set(request_id.get() or cause.get(REQUEST, "") or _asked_by.get())
        try:
            with self._tracer.start_as_current_span(
                name,
                context=_carrier.extract(cause) if cause else None,
                kind=KINDS[kind],
                attributes={**facts, REQUEST: _asked_by.get()},
                record_exception=False,  # its message may hold what nobody else may see
                set_status_on_exception=False,
            ) as span:

                def note(facts: Mapping[str, Fact], *, name: str = "") -> None:
                    if name:
                        span.update_name(name)
                    span.set_attributes(facts)

                try:
                    yield note
                except BaseException as problem:
                    span.set_status(StatusCode.ERROR, type(problem).__name__)
                    span.set_attribute("error.type", type(problem).__name__)
                    raise
        finally:
            _asked_by.reset(asked)

    def cause(self) -> Cause:
        words: dict[str, str] = {}
        _carrier.inject(words)
        return {**words, REQUEST: _asked_by.get()} if words else {}

    def end(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._provider.shutdown()


def _headers(text: str) -> dict[str, str]:
    """``name=value`` pairs with commas between them, as OTEL_EXPORTER_OTLP_HEADERS has them."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def begin() -> OpenTelemetryRecorder:
    """Record the spans of this process from now on."""
    recorder = OpenTelemetryRecorder()
    tracing.record_with(recorder)
    return recorder
