"""Values that are not known before CloudFormation runs, as text that says what they will be.

A marker is never taken for known text: it is a type of its own while values are resolved, and text that only looks like a
marker is escaped, as ``Fn::Sub`` has it (``${!Vpc}``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Container

from apps.rendering.model import Json
from apps.rendering.redaction import MARK

_WHOLE = re.compile(r"\$\{(.*)\}", re.DOTALL)
_AMBIGUOUS = re.compile(r"\$\{(?=!*(Fn::|AWS::|SSM::|[A-Za-z0-9]+(?=[./}])))")


class Marker(str):
    """Text of which at least a part is not known yet."""

    __slots__ = ()


def marker(*words: str) -> Marker:
    """One value that is not known: ``${Fn::Select 0 Vpc.CidrBlocks}``."""
    return Marker("${" + " ".join(words) + "}")


def inner(value: Json) -> str:
    """A value as a word of another marker."""
    if isinstance(value, Marker):
        match = _WHOLE.fullmatch(value)
        if match and "${" not in match.group(1):
            return match.group(1)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_known(text: str) -> bool:
    """Whether it is the text itself: no part of it is a marker or became a fingerprint."""
    return not isinstance(text, Marker) and MARK not in text


def has_marker(value: Json) -> bool:
    if isinstance(value, list):
        return any(map(has_marker, value))
    return isinstance(value, Marker) or (isinstance(value, dict) and any(map(has_marker, value.values())))


def literal(text: str, names: Container[str]) -> str:
    """Text of a template, escaped where it would be read as the marker of one of these names."""
    if "${" not in text:
        return text

    def escaped(found: re.Match[str]) -> str:
        word = found.group(1)
        return "${!" if word.endswith("::") or word in names else found.group()

    return _AMBIGUOUS.sub(escaped, text)
