"""The digest of a difference: what an approval of a rendering is bound to."""

from __future__ import annotations

import hashlib
import json
import re

from apps.rendering.comparing.codec import encode_value
from apps.rendering.model import Difference, Json, ResourceChange, ToolIdentity

FORMAT = "rendered-difference/1"
_PERHAPS_MARKED = re.compile(r'"\$"|\\u(?:0000|d[89a-f])|\d[eE]|NaN|Infinity|-0\.0')
"""Where values may be such that :func:`~apps.rendering.comparing.codec.encode_value` writes them otherwise; texts may hold it as well."""


def difference_digest(difference: Difference, tool: ToolIdentity) -> str:
    r"""SHA-256, in hexadecimal, of lines of canonical JSON, each with ``\n`` at its end.

    Canonical: keys sorted, no spaces, everything beyond ASCII escaped, values as :mod:`apps.rendering.comparing.codec`
    writes them, ``1`` and ``1.0`` apart. The first line is ``{"format": "rendered-difference/1", "tool": [name, version,
    sha256]}``. Then one line for each resource that differs, also for those whose differences have no effect:
    ``{"action": …, "after": body or null, "before": body or null, "id": [api, kind, namespace, name]}``, sorted by their
    bytes. What the difference is derived from is in it; what is derived from it (fields, rules, risks) is not, nor are
    sources and the number of unchanged resources.
    """
    head = _line({"format": FORMAT, "tool": [tool.name, tool.version, tool.sha256]})
    lines = sorted(_line(_content(change)) for change in (*difference.changes, *difference.silent))
    return hashlib.sha256(b"".join((head, *lines))).hexdigest()


def _content(change: ResourceChange) -> dict[str, Json]:
    identity = change.id
    return {
        "action": change.action.value,
        "after": change.after,
        "before": change.before,
        "id": [identity.api, identity.kind, identity.namespace, identity.name],
    }


def _line(content: dict[str, Json]) -> bytes:
    """What needs no mark, which is nearly everything, is written at once: a page has thousands of these."""
    try:
        text = _canonical(content)
    except TypeError:
        text = ""
    if not text or _PERHAPS_MARKED.search(text):
        text = _canonical(encode_value(content))
    return text.encode("ascii") + b"\n"


def _canonical(content: Json) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
