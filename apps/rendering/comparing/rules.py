"""When a difference has no effect, and by which rule. A rule speaks only where the tables of an API know the type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from apps.rendering.comparing.equality import same
from apps.rendering.comparing.quantities import quantity
from apps.rendering.comparing.shapes import Shape
from apps.rendering.model import ABSENT, Json

DEFAULT, EMPTY, ORDER, QUANTITY, TEXT, WHOLE_NUMBER = "default", "empty", "order", "quantity", "text", "whole number"

RULES: Mapping[str, str] = MappingProxyType({
    DEFAULT: "The field is left out on one side, and the other side says what Kubernetes fills in for it.",
    EMPTY: "The field is left out on one side and empty on the other, which this field does not tell apart.",
    ORDER: "The same elements in another order. The order of this list has no meaning, but where it is part of a pod "
           "template, Kubernetes may still replace the pods.",
    QUANTITY: "The same amount, written in another way (1 and 1000m, 1Gi and 1024Mi).",
    TEXT: "The same value, written as a text and as a number or a truth value (30 and \"30\"). CloudFormation takes all of "
          "them as text.",
    WHOLE_NUMBER: "The same number, written with and without a decimal point (1 and 1.0).",
})  # fmt: skip

MOVED_AT_RUN_TIME = frozenset({"replicas", "suspend", "paused", "nodePort"})
"""Fields that autoscalers and people move while a thing runs: to leave one out is not to set it to its default."""

_NOTHING: Mapping[str, Json] = MappingProxyType({})


def rule_for_values(before: Json, after: Json, shape: Shape) -> str:
    """The rule by which two values that are not the same have the same effect; empty where there is none."""
    if shape.alike and _text(before) is not None and _text(before) == _text(after):
        return TEXT
    if not shape.typed or isinstance(before, bool) or isinstance(after, bool):
        return ""
    if isinstance(before, int | float) and isinstance(after, int | float) and before == after:
        return WHOLE_NUMBER
    if shape.amount and quantity(before) is not None and quantity(before) == quantity(after):
        return QUANTITY
    return ""


def _text(value: Json) -> str | None:
    """A scalar as it is sent to an API that takes texts; a whole number without a decimal point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) else None


def rule_for_presence(key: str, before: Mapping[str, Json], after: Mapping[str, Json], shape: Shape) -> str:
    """The rule by which a field that is ``null`` or absent on one side has the effect that it has on the other."""
    left, right = before.get(key, ABSENT), after.get(key, ABSENT)
    if not shape.record or key in MOVED_AT_RUN_TIME:
        return ""
    if _is_nothing(left):
        return EMPTY if _is_nothing(right) else _rule_for_one(key, right, before, shape)
    return _rule_for_one(key, left, after, shape)


def _rule_for_one(key: str, value: Json, without: Mapping[str, Json], shape: Shape) -> str:
    """Whether ``value`` is what its absence from ``without`` means."""
    there = shape.of(key)
    if there.empty and value in ({}, []):
        return EMPTY
    default = shape.defaults.get(key, ABSENT)
    if callable(default):
        default = default(without)
    if default is not ABSENT and _is_filled_in(default, value, there):
        return DEFAULT
    if there.empty and there.record and isinstance(value, dict):
        return DEFAULT if all(rule_for_presence(inner, _NOTHING, value, there) for inner in value) else ""
    return ""


def _is_filled_in(default: Json, value: Json, shape: Shape) -> bool:
    """Whether the server makes ``default`` of ``value``, too: of a record also where it says only some of the fields."""
    if shape.record and isinstance(default, dict) and isinstance(value, dict):
        return all(key in default and _is_filled_in(default[key], value[key], shape.of(key)) for key in value)
    return same(default, value) or bool(rule_for_values(default, value, shape))


def _is_nothing(value: Json) -> bool:
    return value is ABSENT or value is None
