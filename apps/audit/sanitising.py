"""What may enter an entry: no secrets, nothing endless, nothing that a database refuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from apps.audit.canonical import canonical_json, instant

MAX_DATA_BYTES = 16 * 1024
MAX_TEXT = 2_000
MAX_ITEMS = 200
MAX_DEPTH = 6
MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8785 §3.2.2.3)
REMOVED = "[removed]"

_SECRET_KEY = re.compile(
    r"(^|[_-])(password|passwd|passphrase|secret|token|cookie|authorization|credentials?|"
    r"(api|private|ssh|access|encryption|signing)[_-]?key)$",
    re.IGNORECASE,
)
_URL_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def clean_text(text: str, limit: int) -> str:
    """``text`` without credentials in URLs, with NUL and lone surrogates visible, at most ``limit`` long."""
    text = _UNSTORABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    text = _URL_CREDENTIALS.sub(r"\g<scheme>", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_data(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """JSON-ready copy of ``data``: secrets removed, texts and lists cut, at most ``MAX_DATA_BYTES``.

    What is still larger is replaced by its size and SHA-256, so the act is recorded in any case.
    """
    cleaned = _clean_mapping(data or {}, 0)
    encoded = canonical_json(cleaned)
    if len(encoded) <= MAX_DATA_BYTES:
        return cleaned
    return {"omitted_bytes": len(encoded), "omitted_sha256": hashlib.sha256(encoded).hexdigest()}


def _clean_mapping(data: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {
        clean_text(str(key), 100): REMOVED if _SECRET_KEY.search(str(key)) and value else _clean(value, depth + 1)
        for key, value in list(data.items())[:MAX_ITEMS]
    }


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _clean_container(value, depth)
    return clean_text(value.isoformat() if isinstance(value, date) else str(value), MAX_TEXT)


def _clean_container(value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return clean_text(str(value), MAX_TEXT)
    if isinstance(value, Mapping):
        return _clean_mapping(value, depth)
    items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
    cleaned = [_clean(item, depth + 1) for item in items[:MAX_ITEMS]]
    return cleaned if len(items) <= MAX_ITEMS else [*cleaned, f"… {len(items) - MAX_ITEMS} more"]
