"""What another system answered to one request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers.remote import read_json

UNAUTHENTICATED, FORBIDDEN, TOO_MANY = 401, 403, 429
NOT_THERE = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``headers`` have lower-case names."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON; :class:`Unavailable` when it is something else."""
        try:
            return read_json(self.body)
        except ValueError as problem:
            raise Unavailable("bad_answer", "The other system answered with something that is not JSON.") from problem


def message_in(body: bytes) -> str:
    """The message of a JSON error, as the common systems spell it; else nothing (HTML pages help nobody)."""
    with contextlib.suppress(ValueError):
        found = read_json(body)
        if isinstance(found, dict):
            for key in ("message", "error_description", "error", "errors", "detail", "base"):
                if found.get(key):
                    value = found[key]
                    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return ""
