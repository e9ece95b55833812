"""Paths of fields in words: ``spec.template.spec.containers[nginx].image``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from apps.rendering.model import Element, Json, Order, Step

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_PLAIN_VALUE = re.compile(r"(?![0-9]+$)(?:(?![\[\]\"',])[!-~])+")

KEY_DEFAULTS: dict[str, Json] = {"protocol": "TCP", "namespace": ""}
"""What a key of an element is where it is absent."""


def words(path: Iterable[Step]) -> str:
    """The path for people. Keys and names that could be misread stand in quotation marks."""
    text = "".join(_step(step) for step in path)
    return text.removeprefix(".")


def _step(step: Step) -> str:
    match step:
        case str():
            return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{_quoted(step)}]"
        case int():
            return f"[{step}]"
        case Element():
            return f"[{_names(step)}]"
        case Order():
            return " (order)"


def _names(element: Element) -> str:
    return "/".join(_value(value) for _, value in element.keys if value != "") or '""'


def _value(value: Json) -> str:
    if isinstance(value, str) and not _PLAIN_VALUE.fullmatch(value):
        return _quoted(value)
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def element_of(value: Json, keys: Sequence[str]) -> Element | None:
    """The step to an element of a list that is known by ``keys``; ``None`` where it lacks one of them."""
    if keys == ("",):
        return Element((("", value),)) if _is_key(value) else None
    if not isinstance(value, dict):
        return None
    found = tuple((key, value.get(key, KEY_DEFAULTS.get(key))) for key in keys)
    return Element(found) if all(_is_key(part) for _, part in found) else None


def _is_key(value: Json) -> bool:
    return type(value) in {str, int}
