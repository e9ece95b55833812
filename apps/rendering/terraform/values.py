"""Values of a Terraform plan: what is known only afterwards, and what must not be read. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from apps.rendering.comparing.codec import encode_value
from apps.rendering.model import ABSENT, UNKNOWN, Json, Step
from apps.rendering.redaction import Fingerprint


def with_unknown(value: Json, marks: Json) -> Json:
    """``value`` with :data:`UNKNOWN` wherever ``marks`` (``after_unknown`` of a plan) says so, also where it has nothing."""
    if marks is True:
        return UNKNOWN
    if isinstance(marks, Mapping) and (isinstance(value, Mapping) or (_says(marks) and _is_nothing(value))):
        found = {} if _is_nothing(value) else dict(value)
        for key, mark in marks.items():
            if key in found or _says(mark):
                found[key] = with_unknown(found.get(key, ABSENT), mark)
        return found
    if isinstance(marks, list) and (isinstance(value, list) or (_says(marks) and _is_nothing(value))):
        elements = [] if _is_nothing(value) else list(value)
        elements += [None] * (len(marks) - len(elements) if _says(marks[len(elements) :]) else 0)
        return [*map(with_unknown, elements, marks), *elements[len(marks) :]]
    return UNKNOWN if _says(marks) else value


def hidden(value: Json, marks: Json, fingerprint: Fingerprint) -> Json:
    """``value`` with a fingerprint of everything that ``marks`` (``after_sensitive`` of a plan) says is sensitive.

    Marks that do not have the form of the value hide all of it. ``null`` and what is not known stay.
    """
    if value is None or value is UNKNOWN or not _says(marks):
        return value
    if isinstance(value, Mapping) and isinstance(marks, Mapping):
        return {key: hidden(item, marks.get(key, False), fingerprint) for key, item in value.items()}
    if isinstance(value, list) and isinstance(marks, list) and len(marks) <= len(value):
        return [
            *(hidden(item, mark, fingerprint) for item, mark in zip(value, marks, strict=False)),
            *value[len(marks) :],
        ]
    return fingerprint(canonical(value))


def sensitive_parts(value: Json, marks: Json) -> Iterator[Json]:
    """What :func:`hidden` replaces."""
    if value is None or value is UNKNOWN or not _says(marks):
        return
    if isinstance(value, Mapping) and isinstance(marks, Mapping):
        for key, item in value.items():
            yield from sensitive_parts(item, marks.get(key, False))
    elif isinstance(value, list) and isinstance(marks, list) and len(marks) <= len(value):
        for item, mark in zip(value, marks, strict=False):
            yield from sensitive_parts(item, mark)
    else:
        yield value


def joined_marks(one: Json, other: Json) -> Json:
    """What either side takes for sensitive."""
    if not _says(one) or not _says(other):
        return one if _says(one) else other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: joined_marks(one.get(key, False), other.get(key, False)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        short, long = sorted((one, other), key=len)
        return [*map(joined_marks, short, long), *long[len(short) :]]
    return True


def canonical(value: Json) -> bytes:
    """The same bytes for the same value only."""
    return json.dumps(encode_value(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def readable(path: tuple[Step, ...], *bodies: Json) -> tuple[Step, ...]:
    """The beginning of a path that bodies without their secrets still have: its end may name what was hidden."""
    for count in range(len(path) + 1):
        if not any(_reaches(body, path[:count]) for body in bodies):
            return path[: max(count - 1, 1)]
    return path


def _reaches(body: Json, path: tuple[Step, ...]) -> bool:
    for step in path:
        is_element = isinstance(body, list) and isinstance(step, int) and 0 <= step < len(body)
        if not is_element and not (isinstance(body, Mapping) and step in body):
            return False
        body = body[step]
    return True


def _is_nothing(value: Json) -> bool:
    return value is ABSENT or value is None


def _says(marks: Json) -> bool:
    """Whether marks hold a "yes" anywhere; what is no mark at all is taken for one."""
    if isinstance(marks, Mapping):
        return any(map(_says, marks.values()))
    if isinstance(marks, list):
        return any(map(_says, marks))
    return marks is not False and marks is not None
