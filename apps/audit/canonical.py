"""The bytes that are hashed. Format: docs/audit.md.

Canonical JSON after RFC 8785 (JCS) without floating-point numbers: keys sorted by their UTF-16
code units, no white space, shortest escapes, UTF-8. An entry's hash is SHA-256 over one zero
byte (the leaf prefix of RFC 6962, so that entries can become leaves of its tree unchanged)
and these bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from apps.audit.tlog import leaf_hash

VERSION = 1
ZERO_HASH = "0" * 64


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be"))
        return {key: _ordered(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, float):
        raise TypeError("Canonical JSON of the audit log has no floating-point numbers.")
    return value


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value; TypeError for what has none (floats, objects)."""
    text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with six digits of seconds, always the same length."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry_hash(document: Mapping[str, Any]) -> str:
    """64 hexadecimal digits over the canonical bytes of an entry's document."""
    return leaf_hash(canonical_json(document)).hex()
