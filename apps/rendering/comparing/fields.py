"""The fields in which two bodies differ, each with the rule by which it has no effect, if there is one."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.comparing.equality import same
from apps.rendering.comparing.lists import Keyed, aligned, is_permutation, keyed, order_counts
from apps.rendering.comparing.rules import ORDER, rule_for_presence, rule_for_values
from apps.rendering.comparing.shapes import Ordering, Shape
from apps.rendering.model import ABSENT, Element, FieldChange, Json, Order, Step

Path = tuple[Step, ...]


def field_changes(before: Mapping[str, Json], after: Mapping[str, Json], shape: Shape) -> tuple[FieldChange, ...]:
    """All differences; those that count come first. The depth of both bodies was checked."""
    walk = _Walk()
    walk.mappings((), before, after, shape)
    return tuple(sorted(walk.found, key=lambda change: bool(change.rule)))


class _Walk:
    def __init__(self) -> None:
        self.found: list[FieldChange] = []

    def mappings(self, path: Path, before: Mapping[str, Json], after: Mapping[str, Json], shape: Shape) -> None:
        for key in (*before, *(key for key in after if key not in before)):
            left, right = before.get(key, ABSENT), after.get(key, ABSENT)
            if left is ABSENT or right is ABSENT or ((left is None) != (right is None)):
                self._add((*path, key), left, right, rule_for_presence(key, before, after, shape))
            else:
                self._values((*path, key), left, right, shape.of(key))

    def _values(self, path: Path, before: Json, after: Json, shape: Shape) -> None:
        if isinstance(before, dict) and isinstance(after, dict):
            self.mappings(path, before, after, shape)
        elif isinstance(before, list) and isinstance(after, list):
            self._lists(path, before, after, shape)
        elif not same(before, after):
            self._add(path, before, after, rule_for_values(before, after, shape))

    def _lists(self, path: Path, before: list[Json], after: list[Json], shape: Shape) -> None:
        if same(before, after):
            return
        pair = keyed(before, after, shape)
        if pair is not None:
            self._keyed(path, pair, shape)
        elif shape.typed and shape.order is Ordering.FREE and is_permutation(before, after):
            self._add(path, before, after, ORDER)
        else:
            self._aligned(path, before, after, shape)

    def _keyed(self, path: Path, pair: Keyed, shape: Shape) -> None:
        for element, value in pair.before.items():
            there = pair.after.get(element, ABSENT)
            if there is ABSENT:
                self._add((*path, element), value, ABSENT, "")
            else:
                self._values((*path, element), value, there, shape.element())
        new = [element for element in pair.after if element not in pair.before]
        for element in new:
            self._add((*path, element), ABSENT, pair.after[element], "")
        reached, wanted = [*(one for one in pair.before if one in pair.after), *new], list(pair.after)
        if reached != wanted:
            rule = "" if order_counts(pair, shape, list(pair.before), wanted) else ORDER
            self._add((*path, Order(pair.keys)), _names(pair.before), _names(pair.after), rule)

    def _aligned(self, path: Path, before: list[Json], after: list[Json], shape: Shape) -> None:
        found = aligned(before, after)
        for at, at_new in found.kept:
            self._values((*path, at), before[at], after[at_new], shape.element())
        for at in found.removed:
            self._add((*path, at), before[at], ABSENT, "")
        for at_new in found.added:
            self._add((*path, at_new), ABSENT, after[at_new], "")

    def _add(self, path: Path, before: Json, after: Json, rule: str) -> None:
        self.found.append(FieldChange(path, before, after, rule))


def _names(elements: Mapping[Element, Json]) -> list[Json]:
    """The keys of all elements: one value each, or a list of them."""
    return [
        element.keys[0][1] if len(element.keys) == 1 else [value for _, value in element.keys] for element in elements
    ]
