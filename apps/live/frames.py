"""What goes over a socket: small JSON objects, read from rows and encoded once for all viewers."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import escape

from apps.core.clock import now
from apps.deployments.models import DeploymentEvent
from apps.live.hub import Frame
from apps.presentation.log_html import log_rows

BATCH = 200
"""Events in one frame at most; the rest follow in the next."""


def event_json(event: DeploymentEvent) -> dict[str, Any]:
    """One numbered event; log events carry their rows as HTML of the audited writer."""
    body: dict[str, Any] = {"seq": event.seq, "kind": event.kind, "at": event.at.isoformat(), "attempt": event.attempt}
    body["step"] = event.step
    if event.kind == DeploymentEvent.Kind.LOG:
        lines = event.text.split("\n")
        body |= {"first": event.first_line, "lines": len(lines)}
        body["html"] = log_rows(lines, step=event.step, attempt=event.attempt, first_line=event.first_line, at=event.at)
    else:
        body |= {"text": escape(event.text), "data": event.data}
    return body


def events_frame(deployment_id: int, after: int) -> Frame | None:
    """The next events behind ``after`` as one frame; ``None`` when there is none."""
    rows = list(DeploymentEvent.objects.filter(deployment_id=deployment_id, seq__gt=after).order_by("seq")[:BATCH])
    if not rows:
        return None
    last = rows[-1].seq
    return Frame(encode({"type": "events", "seq": last, "events": [event_json(row) for row in rows]}), last)


def notice(kind: str) -> Frame:
    """A frame without content: the page fetches the regions that it shows, with its own rights."""
    return Frame(encode({"type": kind}))


def beat(seq: int) -> str:
    """Sent first and in silence, so that a page knows that what it shows is not old."""
    return encode({"type": "beat", "seq": seq})


def encode(body: dict[str, Any]) -> str:
    return json.dumps({**body, "now": now().isoformat()}, separators=(",", ":"))
