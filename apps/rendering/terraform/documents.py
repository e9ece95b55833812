"""The document of ``terraform show -json PLAN`` as bytes: checked as those of a stranger, before anything is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from apps.rendering.limits import MIB
from apps.rendering.model import Failure, Json, RenderError

MOST_BYTES = 50 * MIB
MOST_LEVELS = 100
_OPENING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HINT = "Hand in what terraform show -json prints for a plan file."
_STARTS: Mapping[bytes, str] = {
    b"PK\x03\x04": "This is the plan file itself.",
    b"\xff\xfe": "The plan is UTF-16, as PowerShell writes it; it must be UTF-8.",
    b"\xfe\xff": "The plan is UTF-16, as PowerShell writes it; it must be UTF-8.",
}


def load(data: bytes) -> Json:
    """One JSON document, within limits, in which no key stands twice. Raises ``TOO_LARGE`` or ``REFUSED``."""
    if len(data) > MOST_BYTES:
        raise RenderError(Failure.TOO_LARGE, f"The plan has more than {MOST_BYTES // MIB} MiB.")
    for start, text in _STARTS.items():
        if data.startswith(start):
            raise RenderError(Failure.REFUSED, f"{text} {_HINT}")
    _check_depth(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise RenderError(Failure.REFUSED, f"The plan is no JSON, which is UTF-8. {_HINT}") from None
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = "is more than one JSON document" if error.msg == "Extra data" else f"is no JSON ({error.msg})"
        raise RenderError(Failure.REFUSED, f"The plan {what}. {_HINT}", line=error.lineno) from None
    except ValueError:
        raise RenderError(Failure.TOO_LARGE, "The plan holds a number with too many digits.") from None
    except RecursionError:
        raise _too_deep() from None


def _check_depth(data: bytes) -> None:
    """Before anything is built of it."""
    depth = 0
    for found in _OPENING.finditer(data):
        mark = found.group()
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if depth > MOST_LEVELS:
            raise _too_deep()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RenderError(
            Failure.REFUSED, "The plan has an object in which a key stands twice, so it has no one meaning."
        )
    return found


def _no_constant(_name: str) -> NoReturn:
    raise RenderError(Failure.REFUSED, "The plan holds a number that JSON does not have (NaN or Infinity).")


def _too_deep() -> RenderError:
    return RenderError(Failure.TOO_LARGE, f"The plan is nested more than {MOST_LEVELS} levels deep.")
