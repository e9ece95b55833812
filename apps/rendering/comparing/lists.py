"""Which elements of two lists belong together: by their keys where they have them, else by what stayed the same.

A list is keyed only if every element of both sides has its keys and no two have the same ones; what may be anything
else is compared by place, so that nothing is taken for something that it is not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq

from apps.rendering.comparing.codec import encode_value
from apps.rendering.comparing.paths import element_of
from apps.rendering.comparing.shapes import Ordering, Shape
from apps.rendering.model import Element, Json
from apps.rendering.redaction import MARK

MAX_CELLS = 1_000_000
_ANY_NAME = ("name",)


@dataclass(frozen=True, slots=True)
class Keyed:
    """Both sides by their keys, in the order of each."""

    keys: tuple[str, ...]
    before: dict[Element, Json]
    after: dict[Element, Json]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Indices: of elements that were (and may have changed), that are no more, and that are new."""

    kept: tuple[tuple[int, int], ...]
    removed: tuple[int, ...]
    added: tuple[int, ...]


def keyed(before: list[Json], after: list[Json], shape: Shape) -> Keyed | None:
    """Both lists by the keys of ``shape``, or by ``name`` where all elements have one."""
    for keys in (shape.keys, _ANY_NAME) if shape.keys else (_ANY_NAME,):
        left, right = _by_key(before, keys), _by_key(after, keys)
        if left is not None and right is not None:
            return Keyed(keys, left, right)
    return None


def _by_key(values: list[Json], keys: tuple[str, ...]) -> dict[Element, Json] | None:
    found: dict[Element, Json] = {}
    for value in values:
        element = element_of(value, keys)
        if element is None or element in found:
            return None
        found[element] = value
    return found


def order_counts(pair: Keyed, shape: Shape, before: Sequence[Element], after: Sequence[Element]) -> bool:
    """Whether another order of the elements has an effect."""
    match shape.order:
        case Ordering.FREE:
            return not shape.typed
        case Ordering.FIRST:
            return before[:1] != after[:1]
        case Ordering.REFERENCES:
            return any(_refers(value) for value in (*pair.before.values(), *pair.after.values()))
        case Ordering.COUNTS:
            return True


def _refers(variable: Json) -> bool:
    """What became a fingerprint may have referred to another variable."""
    value = variable.get("value") if isinstance(variable, dict) else None
    return isinstance(value, str) and ("$(" in value or MARK in value)


def is_permutation(before: list[Json], after: list[Json]) -> bool:
    """Whether both lists hold the same elements, however often each."""
    return len(before) == len(after) and Counter(map(_text, before)) == Counter(map(_text, after))


def aligned(before: list[Json], after: list[Json]) -> Aligned:
    """Equal elements in their longest common order; in the gaps between them, what stands at the same place changed."""
    old, new = [_text(value) for value in before], [_text(value) for value in after]
    kept: list[tuple[int, int]] = []
    removed: list[int] = []
    added: list[int] = []
    for start, stop, start_new, stop_new in _gaps(old, new):
        paired = min(stop - start, stop_new - start_new)
        kept += [(start + at, start_new + at) for at in range(paired)]
        removed += range(start + paired, stop)
        added += range(start_new + paired, stop_new)
    return Aligned(tuple(kept), tuple(removed), tuple(added))


def _gaps(old: list[str], new: list[str]) -> list[tuple[int, int, int, int]]:
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(inner) * len(inner_new) > MAX_CELLS:
        return [(head, len(old) - tail, head, len(new) - tail)]
    gaps: list[tuple[int, int, int, int]] = []
    at = at_new = 0
    for step in LCSseq.opcodes(inner, inner_new):
        if step.tag == "equal":
            gaps.append((head + at, head + step.src_start, head + at_new, head + step.dest_start))
            at, at_new = step.src_end, step.dest_end
    return [*gaps, (head + at, len(old) - tail, head + at_new, len(new) - tail)]


def _text(value: Json) -> str:
    """The same text for the same value only."""
    return json.dumps(encode_value(value), sort_keys=True)
