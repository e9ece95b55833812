"""What a thread is about: the change, a file, lines of it, a resource, an attribute of a plan, a line of a log.

Pure. Each scope has one canonical text (``Anchor.key``), so equal places are equal texts wherever they are stored::

    resource   environment/target · Kind/namespace/name        (namespace empty where there is none)
    plan       environment/target · address.attribute          (Terraform: aws_lb.ingress.subnet_ids[0])
    log        d-12 apply 1240                                 (deployment, step, line; of a later attempt: apply#2)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import InvalidInput

MAX_LINES = 500
MAX_LINE = 2**31 - 1  # what a column holds
MAX_LOCATOR = 500
DOT = " · "
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_TARGET = re.compile(rf"({_NAME})/({_NAME})\s*·\s*(\S.*)", re.DOTALL)
_RESOURCE = re.compile(r"[A-Z][A-Za-z0-9]{0,62}/[a-z0-9]?[a-z0-9.-]{0,252}/[A-Za-z0-9][A-Za-z0-9:._-]{0,252}")
_INDEX = r"(?:\[(?:\d{1,9}|\"[^\"\[\]\x00-\x1f]{1,100}\")\])?"
_PART = rf"[A-Za-z_][A-Za-z0-9_-]{{0,100}}{_INDEX}"
_PLAN = re.compile(rf"{_PART}(?:\.{_PART}){{2,20}}")
_LOG = re.compile(r"d-([1-9]\d{0,8})\s+(\S(?:[^\x00-\x1f]{0,78}\S)?)\s+([1-9]\d{0,8})")
_ATTEMPT = re.compile(r"(.+)#([2-9]|[1-9]\d{1,3})")


class Scope(StrEnum):
    CHANGE = "change"
    FILE = "file"
    LINE = "line"
    RESOURCE = "resource"
    PLAN = "plan"
    LOG = "log"


LOCATED = frozenset({Scope.RESOURCE, Scope.PLAN, Scope.LOG})
"""Scopes whose place is a locator, not a path."""

EXAMPLES = {
    Scope.RESOURCE: "production/web · Ingress/shop/public",
    Scope.PLAN: "production/network · aws_lb.ingress.subnet_ids",
    Scope.LOG: "d-12 apply 1240",
}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checked place. ``line`` is the last line of the range, ``start_line`` its first (equal for a single line)."""

    scope: Scope = Scope.CHANGE
    path: str = ""
    side: str = "new"
    start_line: int | None = None
    line: int | None = None
    locator: str = ""

    @property
    def place(self) -> str:
        """In words for people: ``app/values.yaml:3–5``; empty for the whole change."""
        if self.locator:
            return self.locator
        if self.line is None or self.start_line is None:
            return self.path
        return f"{self.path}:{lines_in_words(self.start_line, self.line)}"

    @property
    def key(self) -> str:
        """The canonical text of the place."""
        if self.locator:
            return f"{self.scope}:{self.locator}"
        lines = f":{self.start_line}-{self.line}" if self.line is not None else ""
        return f"{self.scope}:{self.side}{lines}:{self.path}" if self.path else str(self.scope)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """One line of the log of one step of a deployment; ``attempt`` counts from 1."""

    deployment: int
    step: str
    attempt: int
    line: int

    @property
    def locator(self) -> str:
        step = self.step if self.attempt == 1 else f"{self.step}#{self.attempt}"
        return f"d-{self.deployment} {step} {self.line}"


def lines_in_words(first: int, last: int) -> str:
    return str(last) if first == last else f"{first}–{last}"


def anchor_of(
    *,
    scope: str = "",
    path: str = "",
    side: str = "new",
    start_line: int | None = None,
    line: int | None = None,
    locator: str = "",
) -> Anchor:
    """The anchor that these fields name; :class:`InvalidInput` naming the field that is wrong.

    Without ``scope`` it follows from the fields. Whether the place exists is asked by who knows the trees or logs.
    """
    has_lines = line is not None or start_line is not None
    known = _scope(scope, path, locator, has_lines=has_lines)
    if known in LOCATED:
        if path or has_lines:
            raise InvalidInput("bad_place", "A place with a locator has no path and no line.", field="locator")
        return Anchor(scope=known, locator=canonical(known, locator))
    if locator:
        raise InvalidInput("bad_place", "Only a resource, a plan or a log has a locator.", field="locator")
    if side not in {"old", "new"}:
        raise InvalidInput("bad_side", "The side of a line is old or new.", field="side")
    if bool(path) == (known == Scope.CHANGE) or (known == Scope.CHANGE and has_lines):
        raise InvalidInput("bad_line", "A line is a number from 1 in a named file.", field="line")
    first, last = _range(start_line, line) if known == Scope.LINE else (None, None)
    return Anchor(known, path, side, first, last)


def _scope(scope: str, path: str, locator: str, *, has_lines: bool) -> Scope:
    if scope:
        if scope not in list(Scope):
            raise InvalidInput("bad_scope", f"A thread is about one of: {', '.join(Scope)}.", field="scope")
        return Scope(scope)
    if locator:
        return Scope.LOG if _LOG.fullmatch(locator.strip()) else Scope.RESOURCE
    if has_lines:
        return Scope.LINE
    return Scope.FILE if path else Scope.CHANGE


def _range(start_line: int | None, line: int | None) -> tuple[int, int]:
    if line is None:
        raise InvalidInput("bad_line", "Name the line, or the last line of a range.", field="line")
    first = line if start_line is None else start_line
    first, last = min(first, line), max(first, line)
    if first < 1 or last > MAX_LINE:
        raise InvalidInput("bad_line", "A line is a number from 1 in a named file.", field="line")
    if last - first >= MAX_LINES:
        raise InvalidInput("bad_line", f"A range has at most {MAX_LINES} lines.", field="start_line")
    return first, last


def canonical(scope: Scope, locator: str) -> str:
    """The one spelling of a locator; ``InvalidInput bad_locator`` with an example."""
    text = locator.strip()
    found = text[: MAX_LOCATOR + 1] if len(text) > MAX_LOCATOR else _CANONICAL[scope](text)
    if not found or len(found) > MAX_LOCATOR:
        raise InvalidInput(
            "bad_locator", f"This does not name a place. Write it as “{EXAMPLES[scope]}”.", field="locator"
        )
    return found


def _resource(text: str) -> str:
    return _in_target(text, _RESOURCE)


def _plan(text: str) -> str:
    return _in_target(text, _PLAN)


def _in_target(text: str, rest: re.Pattern[str]) -> str:
    found = _TARGET.fullmatch(text)
    if not found or not rest.fullmatch(found[3]):
        return ""
    return f"{found[1]}/{found[2]}{DOT}{found[3]}"


def _log(text: str) -> str:
    place = log_place(text)
    return place.locator if place else ""


_CANONICAL = {Scope.RESOURCE: _resource, Scope.PLAN: _plan, Scope.LOG: _log}


def log_place(locator: str) -> LogPlace | None:
    """The parts of the locator of a log line, or ``None`` when it is no such text."""
    found = _LOG.fullmatch(locator.strip())
    if not found:
        return None
    later = _ATTEMPT.fullmatch(found[2])
    step, attempt = (later[1], int(later[2])) if later else (found[2], 1)
    return LogPlace(int(found[1]), step, attempt, int(found[3]))
