"""From bytes to a tree of nodes with line and column, read event by event under a budget.

PyYAML's constructors are not used at all: no tag can make an object, no alias can grow without being
counted, and every value keeps its place in the file. Budgets answer RELIABILITY §2.5 case 38
(CVE-2019-11253: nine lines of aliases that expand to gigabytes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.resolver import Resolver

from apps.core.text import is_storable
from apps.policies.problems import Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_NODES = 20_000
MAX_ALIASES = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = Resolver()
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(slots=True)
class Node:
    """A value and where it stands. ``size`` counts it and everything below, aliases expanded."""

    line: int
    column: int
    size: int = 1


@dataclass(slots=True)
class Scalar(Node):
    """``kind`` is what YAML 1.1 makes of the unquoted text: str, bool, int, float, null, timestamp, merge, value."""

    text: str = ""
    kind: str = "str"
    quoted: bool = False


@dataclass(slots=True)
class Sequence(Node):
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """The value of ``key`` (keys are unique: duplicates were refused)."""
        return next((value for name, value in self.pairs if name.text == key), None)


class Refused(Exception):
    """The text cannot be read as one plain YAML document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refuse(line: int, column: int, message: str, fix: str = "") -> Refused:
    """The exception for one place (both count from 1; 0 is the whole file)."""
    return Refused(Problem(line, column, "", message, fix))


def read_nodes(data: bytes) -> Node | None:
    """The one document in ``data`` as nodes; ``None`` when it holds nothing but comments.

    Raises :class:`Refused` with place and remedy for whatever is not a plain, small YAML document.
    """
    text = _decode(data)
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None
    except yaml.YAMLError as error:
        raise refuse(0, 0, f"This is not YAML: {error}.", "Compare with the example in docs/portal-yaml.md.") from None
    except RecursionError:
        raise refuse(0, 0, "The file is nested too deeply to be read.", f"Use at most {MAX_DEPTH} levels.") from None
    return builder.root


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise refuse(
            0,
            0,
            f"The file has {len(data):,} bytes; at most {MAX_BYTES:,} are read.",
            "Keep only the policy here; move anything else to another file.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise refuse(
            line,
            column,
            f"Byte 0x{data[error.start]:02x} is not UTF-8 text.",
            "Save the file as UTF-8 without special bytes.",
        ) from None
    found = _CONTROL.search(text)
    if found:
        start = found.start()
        column = start - (text.rfind("\n", 0, start) + 1) + 1
        message = f"There is a control character U+{ord(found[0]):04X} in the file; it looks like a binary file."
        raise refuse(
            text.count("\n", 0, start) + 1,
            column,
            message,
            "Remove the character" + (", or write it as an escape in double quotes." if found[0] != "\0" else "."),
        )
    return text


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_LOADER))


def _syntax(error: yaml.MarkedYAMLError) -> Refused:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    what = " ".join(part for part in (error.context, error.problem) if part)
    fix = "Check the indentation (spaces, never tabs), colons and closing quotes or brackets of this line and the one above."
    return refuse(line, column, f"This is not YAML: {what}.", fix)


@dataclass(slots=True)
class _Open:
    """A collection that is still being read; ``key`` waits for its value."""

    node: Sequence | Mapping
    anchor: str | None
    key: Scalar | None = None
    keys: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Takes parse events in order and keeps the budgets."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.nodes = 0
        self.aliases = 0
        self.documents = 0

    def take(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._spend(1, line, column)
        if isinstance(event, yaml.ScalarEvent):
            self._place(self._scalar(event, line, column), event.anchor)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event, line, column)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = self.stack.pop()
            self._place(done.node, done.anchor)
        elif isinstance(event, yaml.AliasEvent):
            target = self._alias(event, line, column)
            self._spend(target.size, line, column)
            self._place(target, None)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(line, column)

    def _document(self, line: int, column: int) -> None:
        self.documents += 1
        if self.documents > 1:
            raise refuse(
                line, column, "The file holds more than one YAML document.", "Remove the `---` and what follows it."
            )

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        self._tag(event, line, column)
        if not is_storable(event.value):  # written as an escape: the file itself has none
            message = "This text holds a NUL or half a surrogate pair, which no database keeps and no program is given."
            raise refuse(line, column, message, "Remove the escape.")
        quoted = event.style in ("'", '"', "|", ">")
        kind = "str"
        if not quoted:
            kind = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False)).rpartition(":")[2]
        return Scalar(line, column, text=event.value, kind=kind, quoted=quoted)

    def _start(self, event: Any, line: int, column: int) -> None:
        self._tag(event, line, column)
        if len(self.stack) >= MAX_DEPTH:
            raise refuse(line, column, f"The file is nested more than {MAX_DEPTH} levels deep.", "Flatten this part.")
        node = Mapping(line, column) if isinstance(event, yaml.MappingStartEvent) else Sequence(line, column)
        self.stack.append(_Open(node, event.anchor))

    def _alias(self, event: Any, line: int, column: int) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise refuse(
                line, column, f"The file uses more than {MAX_ALIASES} aliases (`*name`).", "Write the values out."
            )
        target = self.anchors.get(event.anchor)
        if target is None:
            raise refuse(
                line, column, f"The alias `*{event.anchor}` has no anchor before it.", f"Write `&{event.anchor}` first."
            )
        return target

    @staticmethod
    def _tag(event: Any, line: int, column: int) -> None:
        if event.tag is not None:
            message = f"The tag `{event.tag}` is not read here: a policy file holds only plain text, numbers, lists and mappings."
            raise refuse(line, column, message, "Remove the tag; quote the value if it should be text.")

    def _spend(self, nodes: int, line: int, column: int) -> None:
        """Count values before they are kept: an alias costs all that it stands for."""
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"With its aliases expanded the file has more than {MAX_NODES:,} values."
            raise refuse(line, column, message, "Write the values out, and only those that are needed.")

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        parent.node.size += node.size
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        else:
            self._pair(parent, parent.node, node)

    @staticmethod
    def _pair(parent: _Open, mapping: Mapping, node: Node) -> None:
        if parent.key is not None:
            mapping.pairs.append((parent.key, node))
            parent.key = None
            return
        if not isinstance(node, Scalar):
            raise refuse(
                node.line, node.column, "A key must be a word, not a list or a mapping.", "Write `name: value`."
            )
        if node.kind == "merge":
            message = "Merge keys (`<<`) are not read: they hide what a rule says."
            raise refuse(node.line, node.column, message, "Write the values out.")
        if node.text in parent.keys:
            message = (
                f"The key `{node.text}` stands twice in the same mapping (first in line {parent.keys[node.text]})."
            )
            raise refuse(node.line, node.column, message, "Keep one of the two.")
        parent.keys[node.text] = node.line
        parent.key = node
