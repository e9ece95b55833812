"""The way back: the fields of a difference applied to what was give what will be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apps.rendering.comparing.equality import same
from apps.rendering.comparing.paths import element_of
from apps.rendering.model import ABSENT, Element, FieldChange, Json, Order, Step


@dataclass(slots=True)
class _Place:
    """What changes at one place of the old body. ``added``: elements that were not there, by their new index."""

    change: FieldChange | None = None
    inner: dict[Step, _Place] = field(default_factory=dict)
    added: dict[int, Json] = field(default_factory=dict)


def apply_fields(body: Mapping[str, Json], fields: Iterable[FieldChange]) -> dict[str, Json]:
    """``body`` with all ``fields``, those without effect, too. ``ValueError`` if they are not the fields of this body."""
    root = _Place()
    for change in fields:
        _place(root, change)
    result: dict[str, Json] = _in_mapping(dict(body), root)
    return result


def _place(root: _Place, change: FieldChange) -> None:
    *way, last = change.path
    place = root
    for step in way:
        place = place.inner.setdefault(step, _Place())
    if isinstance(last, int) and change.before is ABSENT:
        place.added[last] = change.after
    else:
        place.inner.setdefault(last, _Place()).change = change


def _applied(value: Json, place: _Place) -> Json:
    if place.change is not None:
        if not same(value, place.change.before):
            raise _foreign()
        return place.change.after
    if isinstance(value, list):
        if any(isinstance(step, Element | Order) for step in place.inner):
            return _in_keyed(value, place)
        return _in_list(value, place)
    return _in_mapping(value, place)


def _in_mapping(value: Json, place: _Place) -> Json:
    if not isinstance(value, dict) or place.change is not None:
        raise _foreign()
    changed = {step: _applied(value.get(step, ABSENT), inner) for step, inner in place.inner.items()}
    merged = {**value, **changed}
    return {key: item for key, item in merged.items() if item is not ABSENT}


def _in_list(values: list[Json], place: _Place) -> list[Json]:
    if any(not isinstance(step, int) or step >= len(values) for step in place.inner):
        raise _foreign()
    changed = [_applied(value, place.inner[at]) if at in place.inner else value for at, value in enumerate(values)]
    result = [value for value in changed if value is not ABSENT]
    for at in sorted(place.added):
        result.insert(at, place.added[at])
    return result


def _in_keyed(values: list[Json], place: _Place) -> list[Json]:
    steps = dict(place.inner)
    order = next((step for step in steps if isinstance(step, Order)), None)
    moved = steps.pop(order).change if order is not None else None
    keys = order.keys if order is not None else _keys_of(steps)
    result: dict[Element, Json] = {}
    for value in values:
        element = element_of(value, keys)
        if element is None:
            raise _foreign()
        there = steps.pop(element, None)
        result[element] = value if there is None else _applied(value, there)
    for step, there in steps.items():
        if not isinstance(step, Element):
            raise _foreign()
        result[step] = _applied(ABSENT, there)
    kept = {element: value for element, value in result.items() if value is not ABSENT}
    if moved is None:
        return list(kept.values())
    wanted = _elements(keys, moved.after)
    if len(wanted) != len(kept) or kept.keys() != set(wanted):
        raise _foreign()
    return [kept[element] for element in wanted]


def _keys_of(steps: Iterable[Step]) -> tuple[str, ...]:
    return next(tuple(name for name, _ in step.keys) for step in steps if isinstance(step, Element))


def _foreign() -> ValueError:
    return ValueError("The fields do not belong to this body.")


def _elements(keys: tuple[str, ...], names: Json) -> list[Element]:
    """The elements of which :class:`Order` names the keys."""
    parts = [[name] if len(keys) == 1 else name for name in names]
    return [Element(tuple(zip(keys, part, strict=True))) for part in parts]
