"""What values of templates can be, and how much of them there may be."""

from __future__ import annotations

from typing import Any

from apps.rendering.cloudformation.markers import Marker, inner, marker
from apps.rendering.cloudformation.problems import problem
from apps.rendering.model import Failure, Json

MAX_TEXT = 1 << 20


class Nothing:
    """The value of ``AWS::NoValue``: what would have it is left out."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = Nothing()


class Spending:
    """What all stacks of a side may use together: values, and 64 characters of text for one value."""

    def __init__(self, values: int = 1_000_000) -> None:
        self.left = values

    def spend(self, values: int) -> None:
        self.left -= values
        if self.left < 0:
            raise problem("The template makes too much of its values.", Failure.TOO_LARGE)


def text_of(value: Json, what: str) -> str:
    """A value where text is wanted."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict) and value.keys() == {"Fn::Base64"}:
        return marker("Fn::Base64", inner(value["Fn::Base64"]))
    raise problem(f"{what} wants text, and gets something else.")


def joined(parts: list[str], delimiter: str, spending: Spending) -> str:
    size = sum(map(len, parts)) + len(delimiter) * max(0, len(parts) - 1)
    if size > MAX_TEXT:
        raise problem(f"A text would have more than {MAX_TEXT:,} characters.", Failure.TOO_LARGE)
    spending.spend(size // 64)
    text = delimiter.join(parts)
    return Marker(text) if any(isinstance(part, Marker) for part in (*parts, delimiter)) else text
