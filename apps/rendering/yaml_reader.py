"""Documents of YAML or JSON as Kubernetes reads them, for files of a repository and for what tools print.

Events are read one by one: no tag makes an object, no alias is copied out beyond a budget of nodes, and what readers
disagree on (keys that stand twice, merges over keys that stand there) is refused rather than guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.yaml_scalars import NotFinite, key_text, resolved

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "float": (float, int), "null": (type(None),), "timestamp": (str,),
}  # fmt: skip
_COLLECTION_TAGS = {f"{_CORE}map", f"{_CORE}seq"}
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one file may hold. ``nodes`` counts what an alias stands for each time."""

    size: int = 64 << 20
    documents: int = 20_000
    nodes: int = 2_000_000
    depth: int = 100


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Dialect:
    """``tags``: local tags that a format allows, each with what it makes of its content (of a scalar: of its text).
    ``text_keys``: plain keys are text, also ``on`` and ``1``. ``texts``: plain values that are text, whatever they mean
    to Kubernetes."""

    tags: Mapping[str, Callable[[Json], Json]] = field(default_factory=dict)
    text_keys: bool = False
    texts: frozenset[str] = frozenset()


KUBERNETES = Dialect()


class Document(NamedTuple):
    """``line``: where its first value stands, from 1."""

    value: Json
    line: int


def documents(
    data: bytes, path: str = "", budget: Budget = DEFAULT_BUDGET, dialect: Dialect = KUBERNETES
) -> Iterator[Document]:
    """All that are not empty, in order. Raises ``RenderError`` with ``path`` and the line: ``TEMPLATE`` (no YAML), ``REFUSED``
    (keys twice, tags), ``TOO_LARGE``."""
    if len(data) > budget.size:
        raise RenderError(Failure.TOO_LARGE, f"{path or 'The output'} has more than {budget.size:,} bytes.", path=path)
    found = None
    if data.lstrip()[:1] in (b"{", b"["):
        found = _from_json(data, path, budget)
    for count, document in enumerate(found if found is not None else _Reader(data, path, budget, dialect).documents()):
        if count >= budget.documents:
            raise _error(Failure.TOO_LARGE, f"more than {budget.documents:,} documents", path, document.line)
        if document.value is not None:
            yield document


def _error(failure: Failure, what: str, path: str, line: int) -> RenderError:
    place = f"{path or 'The output'}, line {line}" if line else path or "The output"
    return RenderError(failure, clean_message(f"{place}: {what}."), path=path, line=line)


class _Open:
    """A collection that is being read; ``nodes``: with everything inside, aliases counted each time."""

    __slots__ = ("anchor", "key", "nodes", "own", "tag", "value", "wants_key")

    def __init__(self, value: dict[str, Json] | list[Json], anchor: str | None, tag: str | None) -> None:
        self.value, self.anchor, self.tag = value, anchor, tag
        self.wants_key = isinstance(value, dict)
        self.key: str | None = None  # ``None`` between key and value: a merge
        self.own: dict[str, int] = {}
        self.nodes = 1


class _Reader:
    def __init__(self, data: bytes, path: str, budget: Budget, dialect: Dialect) -> None:
        self.data, self.path, self.budget, self.dialect = data, path, budget, dialect
        self.left = budget.nodes
        self.anchors: dict[str, tuple[Json, int]] = {}
        self.line = 0

    def documents(self) -> Iterator[Document]:
        try:
            yield from self._documents(iter(yaml.CSafeLoader(self.data).get_event, None))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is no YAML"
            raise _error(Failure.TEMPLATE, str(what), self.path, mark.line + 1 if mark else 0) from None
        except UnicodeDecodeError:
            raise _error(Failure.TEMPLATE, "this is no text in UTF-8", self.path, 0) from None

    def _documents(self, events: Iterator[Event]) -> Iterator[Document]:
        stack: list[_Open] = []
        start = 0
        for event in events:
            self.line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, CollectionEndEvent):
                closed = stack.pop()
                done = self._tagged(closed.tag, closed.value, closed.nodes)
                self._remember(closed.anchor, done)
            elif isinstance(event, NodeEvent):
                start = start if stack else self.line
                if not isinstance(event, ScalarEvent | AliasEvent):
                    self._open(event, stack)
                    continue
                done = self._leaf(event, is_key=bool(stack) and stack[-1].wants_key)
            else:
                self.anchors.clear()
                continue
            if stack:
                self._put(stack[-1], *done)
            else:
                yield Document(done[0], start)

    def _refuse(self, what: str, failure: Failure = Failure.REFUSED) -> RenderError:
        return _error(failure, what, self.path, self.line)

    def _open(self, event: NodeEvent, stack: list[_Open]) -> None:
        tag: str | None = getattr(event, "tag", None)
        if tag and tag != "!" and tag not in _COLLECTION_TAGS and tag not in self.dialect.tags:
            raise self._refuse(f"the tag {tag[:_SHOWN]} is not allowed")
        if stack and stack[-1].wants_key:
            raise self._refuse("a key must be a plain value")
        if len(stack) >= self.budget.depth:
            raise self._refuse(f"more than {self.budget.depth} levels", Failure.TOO_LARGE)
        self._spend(1)
        stack.append(_Open({} if isinstance(event, MappingStartEvent) else [], event.anchor, tag))
        if event.anchor:
            self.anchors.pop(event.anchor, None)  # an alias of itself inside is unknown, not an older value

    def _tagged(self, tag: str | None, value: Json, nodes: int) -> tuple[Json, int]:
        if tag is None or tag not in self.dialect.tags:
            return value, nodes
        self._spend(1)
        return self.dialect.tags[tag](value), nodes + 1

    def _spend(self, nodes: int) -> None:
        self.left -= nodes
        if self.left < 0:
            raise self._refuse(f"more than {self.budget.nodes:,} values, aliases written out", Failure.TOO_LARGE)

    def _remember(self, anchor: str | None, done: tuple[Json, int]) -> None:
        if anchor:
            self.anchors[anchor] = done

    def _leaf(self, event: ScalarEvent | AliasEvent, *, is_key: bool) -> tuple[Json, int]:
        if isinstance(event, AliasEvent):
            name = event.anchor or ""
            if name not in self.anchors:
                raise self._refuse(f"the alias *{name[:_SHOWN]} stands for nothing, or for itself")
            value, nodes = self.anchors[name]
            self._spend(nodes)
            return value, nodes
        self._spend(1)
        if is_key and event.tag is None and event.implicit[0] and event.value == "<<":
            return _MERGE, 1
        is_plain_text = (is_key and self.dialect.text_keys) or event.value in self.dialect.texts
        is_text = event.tag in self.dialect.tags or (event.tag is None and is_plain_text)
        done = (event.value if is_text else self._scalar(event), 1)
        done = self._tagged(event.tag, *done)
        self._remember(event.anchor, done)
        return done

    def _scalar(self, event: ScalarEvent) -> Json:
        tag: str | None = event.tag
        if tag is None and not event.implicit[0]:
            return event.value
        if tag in {"!", f"{_CORE}str"}:
            return event.value
        try:
            value = resolved(event.value)
        except NotFinite:
            raise self._refuse(f"{event.value} is no number that Kubernetes can hold") from None
        if tag is None:
            return value
        types = _SCALAR_TAGS.get(tag.removeprefix(_CORE)) if tag.startswith(_CORE) else None
        if types is None:
            raise self._refuse(f"the tag {tag[:_SHOWN]} is not allowed")
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self._refuse(f"“{event.value[:_SHOWN]}” is not of the type that its tag names")
        return float(value) if isinstance(value, int) and tag == f"{_CORE}float" else value

    def _put(self, into: _Open, value: Json, nodes: int) -> None:
        into.nodes += nodes
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.wants_key:
            into.key = None if value is _MERGE else self._key(into, value)
            into.wants_key = False
        else:
            if into.key is None:
                self._merge(into, value)
            else:
                into.value[into.key] = value
            into.wants_key = True

    def _key(self, into: _Open, value: Json) -> str:
        key = key_text(value)
        if key is None:
            raise self._refuse("a key must be text, a number or a boolean")
        if key in into.own:
            raise self._refuse(
                f"key “{key[:_SHOWN]}” stands twice in one mapping (first in line {into.own[key]}); "
                "which one counts depends on who reads it"
            )
        into.own[key] = self.line
        return key

    def _merge(self, into: _Open, value: Json) -> None:
        """Keys of the mapping itself win over merged ones, of several merged mappings the first."""
        for each in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                raise self._refuse("only mappings can be merged")
            taken = sorted(into.own.keys() & each.keys())
            if taken:
                raise self._refuse(
                    f"a merge after its own key “{taken[0][:_SHOWN]}”; which one counts depends on who reads it"
                )
            into.value.update(each)  # type: ignore[union-attr]  # merges are of mappings


class _Merge:
    """The key ``<<``."""


_MERGE = _Merge()


def _from_json(data: bytes, path: str, budget: Budget) -> list[Document] | None:
    """The values of a JSON text; ``None`` if it is not JSON (it may still be YAML)."""
    try:
        text = (
            data.decode("utf-8").replace("\ufeff", "", 1) if data.startswith(b"\xef\xbb\xbf") else data.decode("utf-8")
        )
    except UnicodeDecodeError:
        return None
    decoder = json.JSONDecoder(
        object_pairs_hook=_pairs(path), parse_float=_finite, parse_int=_integer, parse_constant=_no_constant
    )
    found: list[Document] = []
    at, line, counted = 0, 1, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at == len(text) or len(found) > budget.documents:
            break
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise _error(Failure.TOO_LARGE, f"more than {budget.depth} levels", path, line) from None
        except ValueError:
            return None
        found.append(Document(_within(value, path, line, budget), line))
    return found


def _pairs(path: str) -> Callable[[list[tuple[str, Json]]], dict[str, Json]]:
    def made(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for key, value in pairs:
            if key in result:
                what = f"key “{key[:_SHOWN]}” stands twice in one object; which one counts depends on who reads it"
                raise _error(Failure.REFUSED, what, path, 0)
            result[key] = value
        return result

    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _integer(text: str) -> int | float:
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else _finite(text)


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _within(value: Json, path: str, line: int, budget: Budget) -> Json:
    level, depth, nodes = [value], 0, 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > budget.depth + 1 or nodes > budget.nodes:
            raise _error(Failure.TOO_LARGE, f"more than {budget.depth} levels or {budget.nodes:,} values", path, line)
        below: list[Json] = []
        for each in level:
            if isinstance(each, dict | list):
                below += each.values() if isinstance(each, dict) else each
        level = below
    return value
