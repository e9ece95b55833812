"""Equality of JSON values as documents: ``1``, ``1.0`` and ``true`` are three values, the order of keys is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.model import Failure, Json, RenderError

MAX_DEPTH = 100
"""Levels of a body. What people write has less than thirty."""
MAX_BITS = 4096


def same(before: Json, after: Json) -> bool:
    """Whether both are the same JSON value. Raises what :func:`within_limits` raises where nothing else limited the depth."""
    try:
        return _same(before, after)
    except RecursionError:
        raise _too_deep() from None


def _same(before: Json, after: Json) -> bool:
    if before is after:
        return True
    if type(before) is not type(after):
        return isinstance(before, Mapping) and isinstance(after, Mapping) and _same(dict(before), dict(after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(value, after[key]) for key, value in before.items())
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, float):
        return repr(before) == repr(after)  # nan is itself, and -0.0 is not 0.0
    return bool(before == after)


def within_limits(body: Json) -> None:
    """Refuse (``TOO_LARGE``) a body with more than :data:`MAX_DEPTH` levels, or a number beyond :data:`MAX_BITS`."""
    level = [body]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise _too_deep()


def _children(value: Json) -> Iterator[Json]:
    for child in value.values() if isinstance(value, Mapping) else value:
        if isinstance(child, Mapping | list):
            yield child
        elif isinstance(child, int) and child.bit_length() > MAX_BITS:
            raise RenderError(Failure.TOO_LARGE, "A resource holds a number with more than a thousand digits.")


def _too_deep() -> RenderError:
    return RenderError(Failure.TOO_LARGE, f"A resource has more than {MAX_DEPTH} levels; it is not compared.")
