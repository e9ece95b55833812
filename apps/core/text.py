"""Text that every database can hold (PostgreSQL refuses NUL, and UTF-8 knows no lone surrogates), and lists of names in sentences."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from apps.core.errors import InvalidInput

HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
"""For a class of a pattern: controls, bidirectional marks and overrides, zero-width and tag characters, lone surrogates."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
MAX_SHOWN = 60


def is_storable(text: str) -> bool:
    """False for text that SQLite would take and PostgreSQL refuse, or that cannot be sent as UTF-8."""
    return UNSTORABLE.search(text) is None


def visible(text: str) -> str:
    """``text`` with NUL and lone surrogates written as escapes that people can see."""
    return UNSTORABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def first_few(names: Sequence[str], most: int = 5) -> str:
    """The first of ``names`` for a sentence; an ellipsis says that there are more."""
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def start_of_difference(one: str, other: str, lead: int) -> int:
    """From where to show two texts that differ, so that the place is seen: ``lead`` characters before the first that is not the same."""
    differ = (at for at, (here, there) in enumerate(zip(one, other, strict=False)) if here != there)
    return max(0, next(differ, min(len(one), len(other))) - lead)


def shortened(name: str, most: int) -> str:
    """``name``, in at most ``most`` characters (50 or more): of a longer one beginning and end, and between them eight signs of all
    of it, so that two names that are not the same never read the same.
    """
    if len(name) <= most:
        return name
    sign = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = most - len(sign) - 2
    tail = kept // 3
    return f"{name[: kept - tail]}…{sign}…{name[-tail:]}"


def require_storable(value: Any, *, field: str = "") -> None:
    """``InvalidInput bad_text`` naming the first text in ``value`` (strings, lists, dicts with their keys) that is not."""
    for name, text in _texts(value, field):
        if not is_storable(text):
            raise InvalidInput(
                "bad_text",
                "This text holds a NUL or half a surrogate pair, which no database keeps. Remove it.",
                field=visible(name)[:MAX_SHOWN] or "body",
            )


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(where, text) of all texts in ``value``, without recursion: JSON may be nested deeper than the stack."""
    waiting = [(name, value)]
    while waiting:
        where, found = waiting.pop()
        if isinstance(found, str):
            yield where, found
        elif isinstance(found, dict):
            for key, inner in found.items():
                yield f"{where}.{key}".lstrip("."), str(key)
                waiting.append((f"{where}.{key}".lstrip("."), inner))
        elif isinstance(found, list | tuple):
            waiting.extend((where, inner) for inner in found)
