"""Keys that stand twice in one mapping of a YAML file: parsers disagree on which one counts (FEATURES C10).

Events of PyYAML's C parser are walked without building anything, so aliases are not expanded and no tag is obeyed.
Linear, and bounded by ``MAX_BYTES`` and ``MAX_EVENTS``. A file that is no YAML (a template, say) has no findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from apps.diffs.characters import plain

MAX_BYTES = 1_000_000
MAX_EVENTS = 200_000
MAX_FOUND = 20
MAX_DEPTH = 200
_MAX_SHOWN = 80
_TEXT = frozenset({None, "!", "tag:yaml.org,2002:str"})
"""Tags that say no more than quotation marks do."""


class Twice(NamedTuple):
    """``key`` (as it may be shown) stands in lines ``first`` and ``again`` of one mapping."""

    key: str
    first: int
    again: int


class _Frame:
    """A mapping or a sequence that is open; of a mapping, which keys it had and whether the next node is one."""

    def __init__(self, *, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.wants_key = is_mapping
        self.seen: dict[str, int] = {}


def keys_twice(blob: bytes) -> list[Twice]:
    """What stands twice, in order, at most ``MAX_FOUND``; empty for what cannot be read."""
    if len(blob) > MAX_BYTES or b":" not in blob:
        return []
    found: list[Twice] = []
    try:
        for one in _walk(yaml.parse(blob, Loader=yaml.CSafeLoader)):
            found.append(one)
            if len(found) == MAX_FOUND:
                break
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        pass
    return found


def _walk(events: Iterator[Event]) -> Iterator[Twice]:
    stack: list[_Frame] = []
    for count, event in enumerate(events):
        if count >= MAX_EVENTS or len(stack) > MAX_DEPTH:
            return
        if isinstance(event, CollectionEndEvent):
            stack.pop()
        elif isinstance(event, NodeEvent):
            frame = stack[-1] if stack else None
            if frame is not None and frame.is_mapping:
                if frame.wants_key and isinstance(event, ScalarEvent):
                    yield from _check(frame, event)
                frame.wants_key = not frame.wants_key
            if not isinstance(event, ScalarEvent | AliasEvent):
                stack.append(_Frame(is_mapping=isinstance(event, MappingStartEvent)))


def _check(frame: _Frame, event: ScalarEvent) -> Iterator[Twice]:
    line = event.start_mark.line + 1 if event.start_mark else 0
    # "<<" may stand twice on purpose: each merges another anchor; parsers agree on that.
    key = f"{'' if event.tag in _TEXT else event.tag} {event.value}"
    if key in frame.seen and event.value != "<<":
        shown = event.value if len(event.value) <= _MAX_SHOWN else f"{event.value[:_MAX_SHOWN]}…"
        yield Twice(plain(shown), frame.seen[key], line)
    frame.seen.setdefault(key, line)


def words(found: Twice) -> str:
    """Such as: Key ``replicas`` stands twice in this mapping (lines 4 and 9); which one counts depends on the parser."""
    return (
        f"Key “{found.key}” stands twice in one mapping (lines {found.first} and {found.again}); "
        "which one counts depends on who reads it"
    )
