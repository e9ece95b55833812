"""Variables of Flux (``postBuild``) in the text of resources, as its own evaluator puts them in.

``${name}``, ``${name:=default}`` and ``${name:-default}``, lengths, substrings, cases, replacements and removals;
``$${name}`` stays ``${name}``. A name that is not known is empty, except where :class:`Values` cannot tell: there the
expression stays as it is written, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"\w+")
_DEFAULT = re.compile(r":[=\-?+]|=")
_CASES = re.compile(r"[,^]{1,2}")
_REPLACE = re.compile(r"/[/#%]?")
_REMOVE = re.compile(r"##?|%%?")
_COLONS = re.compile(":+")
_SLASHES = re.compile("/+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_MOST_NESTED = 50
_LONGEST_MATCHED = 4_096


class BadSubstitution(Exception):
    """The text has an expression that Flux refuses, too."""


@dataclass
class Values:
    """``known`` variables; ``complete``: all others are empty. ``left``: names whose expressions stay."""

    known: Mapping[str, str]
    complete: bool = True
    left: set[str] = field(default_factory=set)


def substituted(text: str, values: Values) -> str:
    """The text with its expressions evaluated. Raises :class:`BadSubstitution`."""
    return _Reader(text, values).whole()


class _Reader:
    def __init__(self, text: str, values: Values) -> None:
        self.text, self.values, self.at = text, values, 0
        self.nested = 0

    def whole(self) -> str:
        found = []
        while True:
            start = self.text.find("$", self.at)
            if start < 0:
                found.append(self.text[self.at :])
                return "".join(found)
            found.append(self.text[self.at : start])
            self.at = start
            if self._takes("${"):
                found.append(self._expression(start))
            else:
                self.at += 2 if self.text.startswith("$$", start) else 1
                found.append("$")

    def _takes(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def _expression(self, start: int) -> str:
        self.nested += 1
        if self.nested > _MOST_NESTED:
            raise BadSubstitution("expressions are nested too deep")
        length = self._takes("#")
        name = self._match(_NAME)
        if not name:
            raise BadSubstitution("a variable without a name")
        operator, arguments = ("#", []) if length else self._operation()
        if not self._takes("}"):
            raise BadSubstitution(f"the closing brace of ${{{name} is missing")
        self.nested -= 1
        if name not in self.values.known and not self.values.complete:
            self.values.left.add(name)
            return self.text[start : self.at]
        return _apply(operator, self.values.known.get(name, ""), arguments)

    def _operation(self) -> tuple[str, list[str]]:
        if operator := self._match(_DEFAULT):
            arguments = []
            while not self.text.startswith("}", self.at):
                arguments.append(self._argument("}"))
            return operator, arguments
        if self._takes(":"):
            arguments = [self._argument(":}")]
            if self.text.startswith(":", self.at):
                self._match(_COLONS)
                arguments.append(self._argument("}"))
            return ":", arguments
        if operator := self._match(_CASES):
            return operator, []
        if operator := self._match(_REPLACE):
            return operator, self._replacement()
        if operator := self._match(_REMOVE):
            return operator, [self._argument("}")]
        return "", []

    def _replacement(self) -> list[str]:
        arguments = ["" if self.text.startswith("/", self.at) else self._argument("/", escapes=True)]
        if not self._match(_SLASHES):
            raise BadSubstitution("a replacement without its second slash")
        if not self.text.startswith("}", self.at):
            arguments.append(self._argument("}", escapes=True))
        return arguments

    def _argument(self, stops: str, *, escapes: bool = False) -> str:
        start = self.at
        if self._takes("${"):
            return self._expression(start)
        found = []
        while self.at < len(self.text) and self.text[self.at] not in stops and not self.text.startswith("${", self.at):
            pair = self.text[self.at : self.at + 2]
            self.at += 1
            if escapes and pair in {"$$", "\\/", "\\\\"}:
                self.at += 1
                found.append(pair[1])
            else:
                found.append(pair[0])
        if self.at == start:
            raise BadSubstitution("an expression without its argument")
        return "".join(found)


def _apply(operator: str, value: str, arguments: list[str]) -> str:
    if operator == "#" and not arguments:
        return str(len(value.encode()))
    return _OPERATIONS.get(operator, _default)(value, arguments)


def _default(value: str, arguments: list[str]) -> str:
    return value or "".join(arguments)


def _substring(value: str, arguments: list[str]) -> str:
    """Counted in bytes; what is no number leaves the value as it is."""
    if not all(_INTEGER.fullmatch(each) for each in arguments):
        return value
    data = value.encode()
    start, *rest = map(int, arguments)
    start = max(0, len(data) + start) if start < 0 else start
    if not rest:
        return data[start:].decode("utf-8", "replace")
    end = start + rest[0] if rest[0] >= 0 else len(data) + rest[0]
    return data[start : max(start, end)].decode("utf-8", "replace")


def _replaced(count: int) -> Callable[[str, list[str]], str]:
    def replace(value: str, arguments: list[str]) -> str:
        return value.replace(arguments[0], arguments[1] if len(arguments) > 1 else "", count)

    return replace


def _replaced_at_start(value: str, arguments: list[str]) -> str:
    if len(arguments) != 2 or not value.startswith(arguments[0]):
        return value
    return arguments[1] + value[len(arguments[0]) :]


def _replaced_at_end(value: str, arguments: list[str]) -> str:
    if len(arguments) != 2 or not value.endswith(arguments[0]):
        return value
    return value[: len(value) - len(arguments[0])] + arguments[1]


def _removed(*, longest: bool, from_end: bool) -> Callable[[str, list[str]], str]:
    def remove(value: str, arguments: list[str]) -> str:
        if len(value) > _LONGEST_MATCHED or len(arguments[0]) > 100:
            raise BadSubstitution("a value is too long to remove a pattern from it")
        if from_end and set(arguments[0]) & set("[]\\"):
            raise BadSubstitution("sets and escapes at the end of a value are read differently by different versions")
        pattern = _glob(arguments[0])
        sizes = range(len(value), 0, -1) if longest else range(1, len(value) + 1)
        for size in sizes:
            if pattern.fullmatch(value[-size:] if from_end else value[:size]):
                return value[: len(value) - size] if from_end else value[size:]
        return value

    return remove


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` (also over slashes), ``?`` and sets; many stars in a row are one, so that matching stays quick."""
    text = re.sub(r"\*+", "*", pattern)
    if text.count("*") > 4:
        raise BadSubstitution("a pattern has too many stars")
    parts = re.findall(r"\[\^?\]?[^\]]*\]|\\.|.", text, re.DOTALL)
    if "[" in parts:
        raise BadSubstitution("a pattern is broken")
    plain = {"*": "(?s:.*)", "?": "(?s:.)"}
    made = [
        plain.get(part) or (part.replace("\\", "\\\\") if len(part) > 1 and part[0] == "[" else re.escape(part[-1]))
        for part in parts
    ]
    try:
        return re.compile("".join(made))
    except re.error:
        raise BadSubstitution("a pattern is broken") from None


_OPERATIONS: Mapping[str, Callable[[str, list[str]], str]] = {
    ":": _substring,
    ",": lambda value, _: value[:1].lower() + value[1:],
    ",,": lambda value, _: value.lower(),
    "^": lambda value, _: value[:1].upper() + value[1:],
    "^^": lambda value, _: value.upper(),
    "/": _replaced(1),
    "//": _replaced(-1),
    "/#": _replaced_at_start,
    "/%": _replaced_at_end,
    "#": _removed(longest=False, from_end=False),
    "##": _removed(longest=True, from_end=False),
    "%": _removed(longest=False, from_end=True),
    "%%": _removed(longest=True, from_end=True),
}
