"""Numbered events of a deployment as small JSON objects: the socket, polling pages and replay send the same."""

from __future__ import annotations

from typing import Any

from django.utils.html import escape

from apps.deployments.models import DeploymentEvent
from apps.presentation.log_html import log_rows

BATCH = 200
"""Events that are sent together at most."""

BATCH_CHARACTERS = 256 * 1024
"""Log text after which a batch ends: one event may hold 64 KB, and 200 of them would be no message any more."""


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


def events_behind(deployment_id: int, after: int) -> list[DeploymentEvent]:
    """The next events behind ``after``, in order, as many as make one message; empty: there is none."""
    rows = DeploymentEvent.objects.filter(deployment_id=deployment_id, seq__gt=after).order_by("seq")[:BATCH]
    found: list[DeploymentEvent] = []
    size = 0
    for row in rows.iterator(chunk_size=20):
        found.append(row)
        size += len(row.text)
        if size >= BATCH_CHARACTERS:
            break
    return found


def events_body(deployment_id: int, after: int) -> dict[str, Any] | None:
    """``{"type": "events", "seq": last, "more": …, "events": [...]}`` behind ``after``; ``None`` when there is nothing new.

    ``more``: the message is full, so there may be more behind it.
    """
    rows = events_behind(deployment_id, after)
    if not rows:
        return None
    more = len(rows) == BATCH or sum(len(row.text) for row in rows) >= BATCH_CHARACTERS
    return {"type": "events", "seq": rows[-1].seq, "more": more, "events": [event_json(row) for row in rows]}
