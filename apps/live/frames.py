"""What goes over a socket: small JSON objects, read from rows and encoded once for all viewers."""

from __future__ import annotations

import json
from typing import Any

from apps.core.clock import now
from apps.live.hub import Frame
from apps.presentation.deployment_events import events_body


def events_frame(deployment_id: int, after: int) -> Frame | None:
    """The next events behind ``after`` as one frame; ``None`` when there is none."""
    body = events_body(deployment_id, after)
    return None if body is None else Frame(encode(body), body["seq"], more=body["more"])


def notice(kind: str) -> Frame:
    """A frame without content: the page fetches the regions that it shows, with its own rights."""
    return Frame(encode({"type": kind}))


def beat(seq: int) -> str:
    """Sent first and in silence, so that a page knows that what it shows is not old."""
    return encode({"type": "beat", "seq": seq})


def encode(body: dict[str, Any]) -> str:
    return json.dumps({**body, "now": now().isoformat()}, separators=(",", ":"))
