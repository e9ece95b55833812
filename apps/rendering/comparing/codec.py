r"""Differences and renderings as JSON documents, and back without loss.

Version 1. Values are themselves, but for what JSON, or a database that reads it, would change: those are mappings with the
key ``$``: ``{"$": "absent"}``, ``{"$": "unknown"}``, ``{"$": "number", "is": "1e+300"}`` (numbers that are not finite, have an
exponent or are a negative zero), ``{"$": "text", "is": "\x00"}`` (text with NUL or lone surrogates, escaped as in Python) and
``{"$": "pairs", "of": [[key, value], …]}`` (mappings with a key that is ``$`` or such a text). A step of a path is a text or a
number, ``{"element": [[key, value], …]}`` or ``{"order": [key, …]}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from apps.rendering.model import (
    ABSENT,
    UNKNOWN,
    Action,
    Difference,
    Element,
    FieldChange,
    Json,
    Order,
    Part,
    Rendered,
    Resource,
    ResourceChange,
    ResourceId,
    Risk,
    Source,
    Step,
    ToolIdentity,
    Weight,
)

VERSION = 1
_MARKS = {type(ABSENT): {"$": "absent"}, type(UNKNOWN): {"$": "unknown"}}
_UNSAFE = re.compile("[\0\ud800-\udfff]")


def encode_value(value: Json) -> Json:
    """A value that every JSON library and database keeps as it is."""
    if isinstance(value, list):
        return [encode_value(item) for item in value]
    if isinstance(value, Mapping):
        return _encode_mapping(value)
    if isinstance(value, str) and _UNSAFE.search(value):
        return {"$": "text", "is": value.encode("unicode_escape").decode("ascii")}
    if isinstance(value, float) and not _is_plain(value):
        return {"$": "number", "is": repr(value)}
    return _MARKS.get(type(value), value)


def _encode_mapping(value: Mapping[str, Json]) -> Json:
    if "$" in value or any(_UNSAFE.search(key) for key in value):
        return {"$": "pairs", "of": [[encode_value(key), encode_value(value[key])] for key in sorted(value)]}
    return {key: encode_value(item) for key, item in value.items()}


def _is_plain(value: float) -> bool:
    return math.isfinite(value) and "e" not in repr(value) and repr(value) != "-0.0"


def decode_value(value: Json) -> Json:
    """What :func:`encode_value` was given. ``ValueError`` for a mark that it does not write."""
    if isinstance(value, list):
        return [decode_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    mark = value.get("$")
    if mark is None:
        return {key: decode_value(item) for key, item in value.items()}
    if not isinstance(mark, str) or mark not in _READERS:
        raise ValueError(f"No such mark: {mark!r}")
    return _READERS[mark](value)


def _decode_pairs(value: Mapping[str, Json]) -> dict[str, Json]:
    return {decode_value(key): decode_value(item) for key, item in value["of"]}


_READERS: Mapping[str, Callable[[Mapping[str, Json]], Json]] = {
    "absent": lambda _: ABSENT,
    "unknown": lambda _: UNKNOWN,
    "number": lambda value: float(value["is"]),
    "text": lambda value: value["is"].encode("ascii").decode("unicode_escape"),
    "pairs": _decode_pairs,
}


def encode_difference(difference: Difference) -> dict[str, Any]:
    return {
        "version": VERSION,
        "unchanged": difference.unchanged,
        "changes": [_encode_change(change) for change in difference.changes],
        "silent": [_encode_change(change) for change in difference.silent],
    }


def decode_difference(document: Mapping[str, Any]) -> Difference:
    """``ValueError`` for another version."""
    _check(document)
    return Difference(
        tuple(_decode_change(change) for change in document["changes"]),
        document["unchanged"],
        tuple(_decode_change(change) for change in document["silent"]),
    )


def encode_rendered(rendered: Rendered) -> dict[str, Any]:
    return {
        "version": VERSION,
        "tool": [rendered.tool.name, rendered.tool.version, rendered.tool.sha256],
        "inputs": _encode_texts(rendered.inputs),
        "warnings": _encode_texts(rendered.warnings),
        "parts": [_encode_texts((part.name, part.failure)) for part in rendered.parts],
        "resources": [
            {"id": _encode_id(one.id), "body": encode_value(one.body), "source": _encode_source(one.source)}
            for one in rendered.resources
        ],
    }


def decode_rendered(document: Mapping[str, Any]) -> Rendered:
    """``ValueError`` for another version."""
    _check(document)
    return Rendered(
        resources=tuple(
            Resource(_decode_id(one["id"]), decode_value(one["body"]), _decode_source(one["source"]))
            for one in document["resources"]
        ),
        tool=ToolIdentity(*document["tool"]),
        inputs=tuple(decode_value(document["inputs"])),
        warnings=tuple(decode_value(document["warnings"])),
        parts=tuple(Part(*decode_value(part)) for part in document["parts"]),
    )


def encode_path(path: tuple[Step, ...]) -> list[Json]:
    """For storage and the API; ``words`` is for people."""
    return [_encode_step(step) for step in path]


def decode_path(document: list[Json]) -> tuple[Step, ...]:
    return tuple(_decode_step(step) for step in document)


def _check(document: Mapping[str, Any]) -> None:
    if document.get("version") != VERSION:
        raise ValueError(f"A document of version {document.get('version')!r} cannot be read, only {VERSION}.")


def _encode_texts(texts: tuple[str, ...]) -> list[Json]:
    return [encode_value(text) for text in texts]


def _encode_id(identity: ResourceId) -> list[Json]:
    return _encode_texts((identity.api, identity.kind, identity.namespace, identity.name))


def _decode_id(document: list[Json]) -> ResourceId:
    return ResourceId(*decode_value(document))


def _encode_source(source: Source | None) -> list[Json] | None:
    return None if source is None else [encode_value(source.path), source.line]


def _decode_source(document: list[Json] | None) -> Source | None:
    return None if document is None else Source(*decode_value(document))


def _encode_step(step: Step) -> Json:
    if isinstance(step, Element):
        return {"element": [[encode_value(key), encode_value(value)] for key, value in step.keys]}
    return {"order": _encode_texts(step.keys)} if isinstance(step, Order) else encode_value(step)


def _decode_step(document: Json) -> Step:
    if isinstance(document, dict) and "element" in document:
        return Element(tuple((decode_value(key), decode_value(value)) for key, value in document["element"]))
    if isinstance(document, dict) and "order" in document:
        return Order(tuple(decode_value(document["order"])))
    step: str | int = decode_value(document)
    return step


def _encode_change(change: ResourceChange) -> dict[str, Json]:
    return {
        "id": _encode_id(change.id),
        "action": change.action.value,
        "fields": [
            {
                "path": encode_path(field.path),
                "before": encode_value(field.before),
                "after": encode_value(field.after),
                "rule": field.rule,
            }
            for field in change.fields
        ],
        "before": encode_value(change.before),
        "after": encode_value(change.after),
        "replace_paths": [encode_path(path) for path in change.replace_paths],
        "risks": [[risk.code, encode_value(risk.text), risk.weight.value] for risk in change.risks],
        "source": _encode_source(change.source),
    }


def _decode_change(document: Mapping[str, Any]) -> ResourceChange:
    return ResourceChange(
        id=_decode_id(document["id"]),
        action=Action(document["action"]),
        fields=tuple(
            FieldChange(
                decode_path(field["path"]), decode_value(field["before"]), decode_value(field["after"]), field["rule"]
            )
            for field in document["fields"]
        ),
        before=decode_value(document["before"]),
        after=decode_value(document["after"]),
        replace_paths=tuple(decode_path(path) for path in document["replace_paths"]),
        risks=tuple(Risk(code, decode_value(text), Weight(weight)) for code, text, weight in document["risks"]),
        source=_decode_source(document["source"]),
    )
