"""Typed reading of nodes: every surprise becomes a problem with place and remedy, never an exception."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar

from apps.core.text import first_few
from apps.policies.config.nodes import Mapping, Node, Scalar, Sequence
from apps.policies.problems import ERROR, NOTICE, Problem

T = TypeVar("T")

MAX_PROBLEMS = 100
"""So many are shown; a file that has more has to be read anew anyway."""
MOST_COMPARED, LONGEST_COMPARED = 100, 100
"""Known names, and letters of a word, up to which it is looked for what was meant."""
MAX_SECONDS = 30 * 24 * 3600
_DURATION = re.compile(r"(?:(?P<d>\d{1,6})d)?(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m)?(?:(?P<s>\d{1,6})s)?")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,8})")
_WHAT = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "null": "nothing at all",
    "timestamp": "a date",
}


def parse_duration(text: str) -> int | None:
    """Seconds of ``10m``, ``2m30s``, ``8h`` or ``1d12h``; ``None`` when it is no such text, zero, or above 30 days."""
    found = _DURATION.fullmatch(text)
    if not found:
        return None
    seconds = sum(int(found[unit] or 0) * size for unit, size in _SECONDS.items())
    return seconds if 0 < seconds <= MAX_SECONDS else None


def describe(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Scalar) and node.kind == "null" and not node.quoted:
        return "nothing"
    return f"`{node.text[:40]}`" if isinstance(node, Scalar) else "something else"


def plain(node: Node) -> Any:
    """The value as JSON types; unquoted words are what YAML 1.2 says (only true, false, null and numbers are special)."""
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.pairs}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return _plain_scalar(node) if isinstance(node, Scalar) else None


def _plain_scalar(node: Scalar) -> Any:
    if node.quoted:
        return node.text
    if node.kind == "null":
        return None
    if node.kind == "bool" and node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    return int(node.text) if node.kind == "int" and _INTEGER.fullmatch(node.text) else node.text


class Reader:
    """Collects problems while values are taken from nodes. ``path`` names the place in the document."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, node: Node, path: str, message: str, fix: str = "") -> None:
        self.problems.append(Problem(node.line, node.column, path, message, fix, ERROR))

    def notice(self, node: Node, path: str, message: str, fix: str = "") -> None:
        self.problems.append(Problem(node.line, node.column, path, message, fix, NOTICE))

    def mapping(self, node: Node | None, path: str, example: str) -> Mapping | None:
        """The node as a mapping, or ``None`` with a problem."""
        if node is None or isinstance(node, Mapping):
            return node
        self.error(node, path, f"`{path}` must be a mapping, but is {describe(node)}.", f"Write `{example}`.")
        return None

    def fields(self, node: Mapping, path: str, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Node]:
        """Values by key; unknown and missing keys become problems."""
        names, found = tuple(known), {}
        for key, value in node.pairs:
            if key.text in names:
                found[key.text] = value
                continue
            place = f"{path}.{key.text}" if path else key.text
            self.error(
                key,
                place,
                f"The key `{key.text}` is not known{f' in `{path}`' if path else ''}.",
                self.nearest(key.text, names),
            )
        for name in required:
            if name not in found:
                self.error(node, path, f"`{path}` lacks the key `{name}`.", f"Add `{name}:`.")
        return found

    def text(self, node: Node | None, path: str, example: str, *, limit: int = 1000) -> str:
        """A string; ``""`` with a problem when it is something else or empty."""
        if node is None:
            return ""
        if not isinstance(node, Scalar) or node.kind == "null":
            self.error(node, path, f"`{path}` must be text, but is {describe(node)}.", f"Write `{example}`.")
            return ""
        if self.surprise(node, path):
            return ""
        if not node.text.strip() or len(node.text) > limit:
            self.error(node, path, f"`{path}` must have between 1 and {limit:,} characters.", f"Write `{example}`.")
            return ""
        return node.text

    def surprise(self, node: Scalar, path: str) -> bool:
        """Report a bare word that YAML 1.1 does not read as text (the Norway problem)."""
        if node.quoted or node.kind in ("str", "value"):
            return False
        what = _WHAT.get(node.kind, "something else")
        message = f"`{path}` must be text, but YAML reads `{node.text[:40]}` without quotes as {what}."
        self.error(node, path, message, f'Write "{node.text[:40]}" with quotes.')
        return True

    def named(self, node: Node, path: str, known: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value = self.text(node, path, known[0])
        if value and value not in known:
            self.error(
                node, path, f"`{path}` is `{value[:40]}`; it can be {' or '.join(known)}.", self.nearest(value, known)
            )
            return default
        return value or default

    def boolean(self, node: Node | None, path: str, *, default: bool) -> bool:
        if node is None:
            return default
        if isinstance(node, Scalar) and not node.quoted and node.text in ("true", "false"):
            return node.text == "true"
        self.error(
            node,
            path,
            f"`{path}` must be true or false, but is {describe(node)}.",
            f"Write `{path.rpartition('.')[2]}: true`.",
        )
        return default

    def count(self, node: Node | None, path: str, *, default: int, low: int, high: int = 20) -> int:
        """A whole number within limits."""
        if node is None:
            return default
        if (
            isinstance(node, Scalar)
            and not node.quoted
            and _INTEGER.fullmatch(node.text)
            and low <= int(node.text) <= high
        ):
            return int(node.text)
        message = f"`{path}` must be a whole number from {low} to {high}, but is {describe(node)}."
        self.error(node, path, message, f"Write `{path.rpartition('.')[2]}: {max(low, 1)}`.")
        return default

    def duration(self, node: Node | None, path: str, *, default: int, example: str) -> int:
        """Seconds of a duration such as ``10m``."""
        if node is None:
            return default
        text = node.text if isinstance(node, Scalar) else ""
        seconds = parse_duration(text)
        if seconds is None:
            message = f"`{path}` must be a duration of at most 30 days, but is {describe(node)}."
            self.error(node, path, message, f"Write numbers with units, such as `{example}` (d, h, m, s).")
        return seconds or default

    def entries(self, node: Node | None, path: str, example: str) -> list[tuple[Node, str]]:
        """The items of a list that must not be empty, each with its path."""
        if node is None:
            return []
        if not isinstance(node, Sequence):
            self.error(node, path, f"`{path}` must be a list, but is {describe(node)}.", f"Write `{example}`.")
            return []
        if not node.items:
            self.error(
                node,
                path,
                f"`{path}` is an empty list, which would never match anything.",
                f"Write `{example}`, or remove the key.",
            )
        return [(item, f"{path}[{index}]") for index, item in enumerate(node.items)]

    def at_most(self, node: Node | None, path: str, found: list[T], most: int) -> list[T]:
        """The first ``most`` of what stands at ``path``; more are an error."""
        if len(found) > most and node is not None:
            message = f"`{path}` has {len(found):,} entries; at most {most:,} are allowed."
            self.error(node, path, message, "Join some of them, or write fewer.")
        return found[:most]

    def nearest(self, word: str, known: Collection[str]) -> str:
        """:func:`nearest`, for as many problems as anybody is shown: comparing words is slow."""
        return nearest(word, known) if len(self.problems) < MAX_PROBLEMS else _listing(known)

    def texts(self, node: Node | None, path: str, example: str) -> tuple[str, ...]:
        """A list of strings without repetition."""
        found: dict[str, None] = {}
        for item, place in self.entries(node, path, example):
            value = self.text(item, place, example)
            if value in found:
                self.error(item, place, f"`{value}` stands twice in `{path}`.", "Remove one of the two.")
            elif value:
                found[value] = None
        return tuple(found)

    def listed(self, node: Node | None, path: str, known: tuple[str, ...], what: str, example: str) -> tuple[str, ...]:
        """A list of known words; another one is an error that says ``what`` it is not."""
        found = self.texts(node, path, example)
        for item, place in self.entries(node, path, "") if found else ():
            text = item.text if isinstance(item, Scalar) else ""
            if text and text not in known:
                self.error(item, place, f"`{text[:40]}` is {what}.", self.nearest(text, known or ("(none)",)))
        return found

    def members(
        self,
        node: Node | None,
        path: str,
        example: str,
        read: Callable[[str, Scalar, Node, str], T | None],
        *,
        most: int,
    ) -> tuple[T, ...]:
        """The entries of a mapping whose keys are names, each read by ``read(name, key, value, path)``; at most ``most``."""
        mapping = self.mapping(node, path, example)
        if mapping is None:
            return ()
        if not mapping.pairs:
            self.error(mapping, path, f"`{path}` is empty.", f"Write `{example}`, or remove the key.")
        found = []
        for key, value in self.at_most(mapping, path, mapping.pairs, most):
            place = f"{path}.{key.text}"
            if self.surprise(key, place):
                continue
            item = read(key.text, key, value, place)
            if item is not None:
                found.append(item)
        return tuple(found)


def nearest(word: str, known: Collection[str]) -> str:
    """``Did you mean …`` for a word, else the list of what is known, or its beginning."""
    if len(known) > MOST_COMPARED or len(word) > LONGEST_COMPARED:
        return _listing(known)
    close = get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    match = next((name for name in known if close and name.lower() == close[0]), "")
    return f"Did you mean `{match}`?" if match else _listing(known)


def _listing(known: Collection[str]) -> str:
    names = tuple(islice(known, MOST_COMPARED + 1))
    return f"Known here: {first_few(names, MOST_COMPARED)}."
