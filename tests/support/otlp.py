"""A collector of traces: OTLP over HTTP, decoded by the official protobuf messages."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.serving import serving

ERROR = 2  # Status.StatusCode.STATUS_CODE_ERROR


@dataclass(frozen=True)
class Span:
    """One span as it came. ``service``: the name of the process's resource."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    is_error: bool
    facts: dict[str, Any]
    service: str


@dataclass
class Collector:
    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def take(self, headers: Any, body: bytes) -> None:
        self.headers.append({name.lower(): value for name, value in headers.items()})
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _facts(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_span(one, service) for one in scope.spans]

    def named(self, *names: str) -> list[Span]:
        return [span for span in tuple(self.spans) if span.name in names]

    def above(self, span: Span) -> list[str]:
        """Names from the parent of ``span`` up to the root of its trace."""
        by_id = {one.id: one for one in tuple(self.spans)}
        found = []
        while span.parent in by_id:
            span = by_id[span.parent]
            found.append(span.name)
        return found


def _facts(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _span(one: Any, service: str) -> Span:
    ids = (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
    return Span(one.name, *ids, one.kind, one.status.code == ERROR, _facts(one.attributes), service)


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a free port of 127.0.0.1; ``url`` is what OTEL_EXPORTER_OTLP_ENDPOINT names."""
    here = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
                self.send_error(404)
                return
            here.take(self.headers, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            return

    with serving(Handler) as here.url:
        yield here
