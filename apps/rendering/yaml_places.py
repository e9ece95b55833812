"""Where single values stand in a file of YAML or JSON, and writing another one there: its characters and nothing else. Pure.

Whether nothing else changes is not taken on trust: what was written is read again, and has to be the same events with one
other value. Comments, quotation marks, line ends and the order of everything stay.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import CollectionEndEvent, DocumentStartEvent, Event, MappingStartEvent, NodeEvent, ScalarEvent

from apps.rendering.model import Json
from apps.rendering.yaml_reader import KUBERNETES, Dialect, documents
from apps.rendering.yaml_scalars import NotFinite, resolved


@dataclass(frozen=True, slots=True)
class Place:
    """One value. ``path``: from the top of its document, which is ``document`` of the file; ``number``: of its event.

    ``is_own``: it has no tag, stands on one line, and no anchor lets it stand for other places.
    """

    document: int
    path: tuple[str | int, ...]
    value: Json
    line: int
    number: int
    is_own: bool
    start: int
    end: int
    style: str | None


@dataclass(slots=True)
class _Level:
    """An open collection; ``step`` is ``None`` where a mapping wants a key."""

    is_mapping: bool
    is_shared: bool
    step: str | int | None

    def next(self) -> None:
        self.step = None if self.is_mapping or not isinstance(self.step, int) else self.step + 1


def places(data: bytes, dialect: Dialect = KUBERNETES) -> list[Place]:
    """All values that are no keys. Raises ``RenderError`` where its readers would refuse the file."""
    list(documents(data, dialect=dialect))
    return list(_places(data.decode("utf-8-sig")))


def rewritten(data: bytes, place: Place, value: Json) -> bytes | None:
    """The file with ``value`` in that place; ``None`` where it cannot stand there and leave everything else alone."""
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = data.decode("utf-8-sig")
    is_json = text.lstrip()[:1] in {"{", "["}
    for spelling in _spellings('"' if is_json else place.style, value):
        made = f"{text[: place.start]}{spelling}{text[place.end :]}"
        if _has_only(text, made, place, value):
            return mark + made.encode()
    return None


def _spellings(style: str | None, value: Json) -> Iterator[str]:
    """As the old value is written, if that can be; in the quotation marks of JSON otherwise."""
    if isinstance(value, str) and style == "'":
        yield "'" + value.replace("'", "''") + "'"
    elif isinstance(value, str) and style is None:
        yield value
    yield json.dumps(value, ensure_ascii=False)


def _has_only(text: str, made: str, place: Place, value: Json) -> bool:
    try:
        before, after = _signs(text), _signs(made)
        found = next((one for one in _places(made) if one.number == place.number), None)
    except yaml.YAMLError:
        return False
    at = place.number
    is_rest_equal = before[:at] == after[:at] and before[at + 1 :] == after[at + 1 :]
    is_there = found is not None and type(found.value) is type(value) and found.value == value
    return is_rest_equal and is_there and made.count("\n") == text.count("\n")


def _events(text: str) -> Iterator[Event]:
    yield from iter(yaml.CSafeLoader(text).get_event, None)


def _signs(text: str) -> list[tuple[Any, ...]]:
    names = ("anchor", "tag", "implicit", "value", "style")
    return [(type(event), *(getattr(event, name, None) for name in names)) for event in _events(text)]


def _places(text: str) -> Iterator[Place]:
    stack: list[_Level] = []
    document = 0
    for number, event in enumerate(_events(text)):
        if isinstance(event, DocumentStartEvent):
            document += 1
        elif isinstance(event, CollectionEndEvent):
            stack.pop()
            _end_value(stack)
        elif isinstance(event, NodeEvent):
            yield from _node(event, stack, document, number)


def _node(event: NodeEvent, stack: list[_Level], document: int, number: int) -> Iterator[Place]:
    if stack and stack[-1].step is None:
        stack[-1].step = event.value if isinstance(event, ScalarEvent) else ""
        return
    is_shared = bool(event.anchor) or (bool(stack) and stack[-1].is_shared)
    if isinstance(event, ScalarEvent):
        path = tuple(level.step for level in stack if level.step is not None)
        yield _place(event, path, document, number, is_shared=is_shared)
    elif isinstance(event, yaml.events.CollectionStartEvent):
        is_mapping = isinstance(event, MappingStartEvent)
        stack.append(_Level(is_mapping, is_shared or bool(event.tag), None if is_mapping else 0))
        return
    _end_value(stack)


def _end_value(stack: list[_Level]) -> None:
    if stack:
        stack[-1].next()


def _place(
    event: ScalarEvent, path: tuple[str | int, ...], document: int, number: int, *, is_shared: bool
) -> Place:  # fmt: skip
    start, end = event.start_mark, event.end_mark
    assert start is not None and end is not None  # noqa: S101 - the parser marks every scalar
    is_own = not is_shared and event.tag is None and start.line == end.line and event.style not in {"|", ">"}
    return Place(
        document, path, _value(event), start.line + 1, number, is_own, start.index, end.index, event.style or None
    )


def _value(event: ScalarEvent) -> Json:
    """What Kubernetes reads; of what it does not read, nothing that anybody would write."""
    if event.style or event.tag or not event.implicit[0]:
        return event.value
    try:
        return resolved(event.value)
    except NotFinite:
        return None
