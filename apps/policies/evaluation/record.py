"""Rules and facts as JSON and back, so that a past verdict can be replayed from what was stored."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
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
    if not isinstance(record, Mapping):
        raise CannotEvaluate("the record is damaged (no mapping)")
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
    return _builder(wanted)(value)


@cache
def _builder(wanted: Any) -> Callable[[Any], Any]:
    """How values of that type are built: found out once, because a record holds thousands of them."""
    origin = get_origin(wanted)
    if is_dataclass(wanted) and isinstance(wanted, type):
        return partial(_object, wanted, {name: _builder(hint) for name, hint in get_type_hints(wanted).items()})
    if origin is tuple:
        item = _builder(get_args(wanted)[0])
        return lambda value: tuple(map(item, value))
    if origin is Mapping:
        item = _builder(get_args(wanted)[1])
        return lambda value: MappingProxyType({key: item(one) for key, one in value.items()})
    if origin in (Union, types.UnionType):
        item = _builder(next(arg for arg in get_args(wanted) if arg is not type(None)))
        return lambda value: None if value is None else item(value)
    return partial(_exactly, wanted) if wanted in (str, int, bool) else lambda value: value


def _object(wanted: type, builders: Mapping[str, Callable[[Any], Any]], value: Mapping[str, Any]) -> Any:
    unknown = set(value) - set(builders)
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    return wanted(**{name: builders[name](item) for name, item in value.items()})


def _exactly(wanted: type, value: Any) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value
