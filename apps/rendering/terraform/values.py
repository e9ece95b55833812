"""Values of a plan: what is only known after apply, and what is sensitive, which becomes a fingerprint at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.rendering.model import UNKNOWN, Json
from apps.rendering.redaction import Fingerprint, redact_value


def prepared(value: Json, unknown: Any, sensitive: Any, fingerprint: Fingerprint) -> dict[str, Json] | None:
    """The attributes of one side, or ``None`` for a resource that is not there."""
    if value is None and not unknown:
        return None
    found = redact_value(_hidden(_with_unknown(value, unknown), sensitive, fingerprint), fingerprint)
    return found if isinstance(found, dict) else {"value": found}


def _with_unknown(value: Json, unknown: Any) -> Json:
    """``after`` with a mark where ``after_unknown`` says that only Terraform will know."""
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, Mapping):
        known = value if isinstance(value, Mapping) else {}
        return {
            key: _with_unknown(known.get(key), unknown.get(key))
            for key in dict.fromkeys((*known, *unknown))
            if _is_there(key, known, unknown)
        }
    if isinstance(unknown, list):
        items = value if isinstance(value, list) else []
        length = max(len(items), len(unknown))
        return [
            _with_unknown(items[at] if at < len(items) else None, unknown[at] if at < len(unknown) else None)
            for at in range(length)
        ]
    return value


def _is_there(key: str, known: Mapping[str, Json], unknown: Mapping[str, Any]) -> bool:
    return key in known or _says_something(unknown[key])


def _says_something(unknown: Any) -> bool:
    if isinstance(unknown, Mapping):
        return any(_says_something(item) for item in unknown.values())
    return any(_says_something(item) for item in unknown) if isinstance(unknown, list) else unknown is True


def _hidden(value: Json, sensitive: Any, fingerprint: Fingerprint) -> Json:
    """The value with everything that is marked as sensitive replaced; a mark on a whole hides the whole."""
    if sensitive is True:
        return value if value is None or value is UNKNOWN else fingerprint(canonical(value))
    if isinstance(sensitive, Mapping) and isinstance(value, Mapping):
        return {key: _hidden(item, sensitive.get(key), fingerprint) for key, item in value.items()}
    if isinstance(sensitive, list) and isinstance(value, list):
        return [
            _hidden(item, sensitive[at] if at < len(sensitive) else None, fingerprint) for at, item in enumerate(value)
        ]
    return value


def canonical(value: Json) -> bytes:
    """Text as it is, other values as JSON: equal values have equal fingerprints, also beside other systems."""
    return (
        value.encode("utf-8", "surrogatepass")
        if isinstance(value, str)
        else json.dumps(value, sort_keys=True, default=str).encode()
    )
