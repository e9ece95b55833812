"""Rules and facts as JSON and back, so that a past verdict can be replayed from what was stored."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Union, get_args, get_origin, get_type_hints

from apps.policies.config import Rule
from apps.policies.evaluation.facts import CannotEvaluate, Facts
from apps.policies.evaluation.judge import evaluate
from apps.policies.evaluation.verdict import PolicyVerdict

RECORD_VERSION = 1


def to_record(rules: Sequence[Rule], facts: Facts) -> dict[str, Any]:
    """Everything :func:`evaluate` reads, as JSON types."""
    return {"version": RECORD_VERSION, "rules": [_plain(rule) for rule in rules], "facts": _plain(facts)}


def from_record(record: Mapping[str, Any]) -> tuple[tuple[Rule, ...], Facts]:
    """The way back. Raises :class:`CannotEvaluate` for a record of another version or shape."""
    if record.get("version") != RECORD_VERSION:
        raise CannotEvaluate(f"records of version {record.get('version')} are not understood")
    try:
        rules = tuple(_build(Rule, rule) for rule in record["rules"])
        return rules, _build(Facts, record["facts"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CannotEvaluate(f"the record is damaged ({type(error).__name__})") from None


def replay(record: Mapping[str, Any]) -> PolicyVerdict:
    """The verdict of stored facts, equal to the one of then."""
    return evaluate(*from_record(record))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _build(wanted: Any, value: Any) -> Any:
    """``value`` as the annotated type ``wanted`` (the few kinds that facts and rules use)."""
    origin = get_origin(wanted)
    if is_dataclass(wanted):
        hints = _hints(wanted if isinstance(wanted, type) else type(wanted))
        unknown = set(value) - set(hints)
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        return wanted(**{name: _build(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    if origin is tuple:
        return tuple(_build(get_args(wanted)[0], item) for item in value)
    if origin is Mapping:
        return MappingProxyType({key: _build(get_args(wanted)[1], item) for key, item in value.items()})
    if origin in (Union, types.UnionType):
        return None if value is None else _build(next(arg for arg in get_args(wanted) if arg is not type(None)), value)
    if wanted in (str, int, bool) and type(value) is not wanted:
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value


@cache
def _hints(wanted: type) -> dict[str, Any]:
    """Reading the annotations of a class costs more than building a thousand of its objects."""
    return get_type_hints(wanted)
