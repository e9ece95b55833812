"""Where the entries of the sections of a template stand."""

from __future__ import annotations

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, MappingStartEvent, ScalarEvent


class _Walk:
    """``waits``: for each open collection, whether its next node is a key; a list has none."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], int] = {}
        self.section = ""
        self.waits: list[bool | None] = []

    def take(self, event: Event) -> None:
        if isinstance(event, CollectionEndEvent):
            self.waits.pop()
            self._value_ends()
        elif isinstance(event, CollectionStartEvent):
            self.waits.append(True if isinstance(event, MappingStartEvent) else None)
        elif isinstance(event, ScalarEvent | AliasEvent):
            if self.waits and self.waits[-1]:
                self._key(event)
            else:
                self._value_ends()

    def _key(self, event: ScalarEvent | AliasEvent) -> None:
        self.waits[-1] = False
        name = event.value if isinstance(event, ScalarEvent) else ""
        if len(self.waits) == 1:
            self.section = name
        elif len(self.waits) == 2 and event.start_mark is not None:
            self.found[self.section, name] = event.start_mark.line + 1

    def _value_ends(self) -> None:
        if self.waits and self.waits[-1] is not None:
            self.waits[-1] = True


def lines_of(data: bytes) -> dict[tuple[str, str], int]:
    """By section and name, from 1; fewer where the text is JSON that YAML does not read."""
    walk = _Walk()
    try:
        for event in yaml.parse(data, Loader=yaml.CSafeLoader):
            walk.take(event)
    except yaml.YAMLError:
        pass
    return walk.found
