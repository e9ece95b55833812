"""JSON that stands as text in a value: read for what is in it, and written again with other values in the same layout. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apps.rendering.model import ABSENT, Json

MOST_BYTES = 1 << 20
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_PAIR = re.compile(
    r'(?P<start>"(?P<name>[^"\\\n]{1,100})"[ \t\r\n]*:[ \t\r\n]*)"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL
)


def parsed(text: str) -> Json:
    """The object or list that the whole text is, else ``ABSENT``. The values of a key that stands twice are a list."""
    plain = text.strip()
    if plain[:1] + plain[-1:] not in {"{}", "[]"} or len(text) > MOST_BYTES:
        return ABSENT
    try:
        return json.loads(plain, object_pairs_hook=_with_all)
    except (ValueError, RecursionError):
        return ABSENT


def rewritten(text: str, before: Json, after: Json) -> str:
    """The text of ``before`` with the names, texts and numbers of ``after``; everything else stays as it is written.

    Raises ``ValueError`` where both have not the same form, or where the text holds more than what it was parsed to.
    """
    leaves = list(_leaves(before, after))
    found = list(_TOKEN.finditer(text))
    if len(found) != len(leaves):
        raise ValueError("a key stands twice")
    parts, at = [], 0
    for token, (old, new) in zip(found, leaves, strict=True):
        parts.append(text[at : token.start()])
        parts.append(token.group() if old == new else json.dumps(new, ensure_ascii=False))
        at = token.end()
    return "".join((*parts, text[at:]))


def _leaves(before: Json, after: Json) -> Iterator[tuple[Json, Json]]:
    """Names, texts and numbers of both in the order in which they are written."""
    left = [(before, after)]
    while left:
        old, new = left.pop()
        if isinstance(old, Mapping):
            values = [*zip(old.values(), new.values(), strict=True)]
            left += [pair for both in zip(zip(old, new, strict=True), values, strict=True) for pair in both][::-1]
        elif isinstance(old, list):
            left += [*zip(old, new, strict=True)][::-1]
        elif isinstance(old, str | int | float) and not isinstance(old, bool):
            yield old, new


def with_pairs(text: str, hide: Callable[[str, str], str]) -> str:
    """Text in which JSON may stand somewhere: ``hide(name, value)`` in the place of each text that has a name before it."""

    def replaced(found: re.Match[str]) -> str:
        try:
            value = json.loads(f'"{found["value"]}"', strict=False)
        except ValueError:
            value = found["value"]
        hidden = hide(found["name"], value)
        return found.group() if hidden == value else f"{found['start']}{json.dumps(hidden, ensure_ascii=False)}"

    return _PAIR.sub(replaced, text) if '"' in text else text


def _with_all(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return {name: [value for key, value in pairs if key == name] for name in found}
