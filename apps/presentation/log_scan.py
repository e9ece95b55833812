"""Reading a whole step for what somebody looks for: errors, warnings, words. Bounded, so that no log holds a server up.

Every reading says how far it came; the next one goes on there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import urlencode

from django.db.models.query import QuerySet
from django.utils.safestring import SafeString, mark_safe

from apps.deployments.models import Deployment, DeploymentEvent
from apps.presentation.ansi import as_shown, without_sequences
from apps.presentation.log_html import level_of, line_url

MOST_CHARACTERS = 8 * 1024 * 1024
"""Characters of log that one request reads."""

MOST_FOUND = 200
"""Lines that one search tells."""

LONGEST_QUERY = 200
BEFORE, AFTER = 60, 200
"""Characters of a line that are shown around what was found."""

Events = QuerySet[DeploymentEvent]
Test = Callable[[str], bool]

LEVELS: dict[str, tuple[str, ...]] = {"errors": ("error",), "warnings": ("error", "warning")}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was printed, masked."""

    event: DeploymentEvent
    number: int
    text: str


class Scan:
    """Lines of ``rows`` from ``start`` on that pass ``test``; ``next_line`` says where a bounded reading ended."""

    def __init__(self, rows: Events, test: Test, *, start: int = 1, most: int = MOST_FOUND) -> None:
        self._rows, self._test, self._start, self._most = rows, test, start, most
        self.next_line: int | None = None

    def __iter__(self) -> Iterator[Line]:
        read = found = 0
        first = self._rows.filter(first_line__lte=self._start).order_by("-first_line")
        begin = first.values_list("first_line", flat=True).first() or 1
        for event in self._rows.filter(first_line__gte=begin).order_by("seq").iterator(chunk_size=50):
            if read > MOST_CHARACTERS:
                self.next_line = event.first_line
                return
            read += len(event.text)
            for number, text in enumerate(event.text.split("\n"), start=event.first_line):
                if number < self._start or not self._test(text):
                    continue
                if found == self._most:
                    self.next_line = number
                    return
                found += 1
                yield Line(event, number, text)


def passes(show: str) -> Test:
    """The test of a filter: ``errors``, or ``warnings`` with the errors."""
    wanted = LEVELS[show]
    return lambda line: level_of(line) in wanted


@dataclass(frozen=True, slots=True)
class Found:
    """A line that holds the words. ``html``: the part around them, escaped, the words marked."""

    number: int
    html: SafeString
    url: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StepFound:
    """What one step has. ``more``: where the search goes on, ``next_line`` the line at which."""

    step: str
    found: tuple[Found, ...]
    next_line: int | None = None
    more: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """The answer: for each step that was read, what it has."""

    words: str
    attempt: int
    steps: tuple[StepFound, ...]

    @property
    def count(self) -> int:
        return sum(len(step.found) for step in self.steps)

    @property
    def is_whole(self) -> bool:
        return not any(step.more for step in self.steps)


def search(deployment: Deployment, words: str, *, attempt: int, step: str = "", start: int = 1) -> Search:
    """Lines that hold ``words``, whatever the case, in ``step`` from line ``start`` on, or in every step.

    Plain words, no pattern. Colours and characters that cannot be seen do not come between them; the token by which
    the page shows such a character is found, too.
    """
    words = words[:LONGEST_QUERY].strip()
    rows = deployment.events.filter(kind=DeploymentEvent.Kind.LOG, attempt=attempt)
    if not words:
        return Search("", attempt, ())
    names = [step] if step else list(rows.order_by("step").values_list("step", flat=True).distinct())
    ordered = sorted(names, key=lambda name: rows.filter(step=name).values_list("seq", flat=True).first() or 0)
    found = tuple(_in_step(deployment, rows.filter(step=name), name, words, start) for name in ordered)
    return Search(words, attempt, tuple(one for one in found if one.found or one.more))


def _in_step(deployment: Deployment, rows: Events, step: str, words: str, start: int) -> StepFound:
    pattern = re.compile(re.escape(words), re.IGNORECASE)
    scan = Scan(rows, lambda line: bool(_text_with(line, pattern)), start=start)
    found = tuple(_found(deployment, line, pattern) for line in scan)
    if scan.next_line is None:
        return StepFound(step, found)
    attempt = rows.values_list("attempt", flat=True)[0]
    query = urlencode({"q": words, "step": step, "attempt": attempt, "from": scan.next_line})
    return StepFound(step, found, scan.next_line, f"/deployments/{deployment.number}/search/?{query}")


def _found(deployment: Deployment, line: Line, pattern: re.Pattern[str]) -> Found:
    event = line.event
    url = line_url(deployment.number, event.step, event.attempt, line.number)
    return Found(line.number, marked(_text_with(line.text, pattern), pattern), url, event.at)


def _text_with(line: str, pattern: re.Pattern[str]) -> str:
    """The text of ``line`` in which ``pattern`` is found: its words alone, else as the page shows it; empty in neither."""
    words = without_sequences(line)
    if pattern.search(words):
        return words
    text = as_shown(line) if words != line else ""
    return text if pattern.search(text) else ""


def marked(text: str, pattern: re.Pattern[str]) -> SafeString:
    """The part of ``text`` around the first place, with every place in it marked."""
    first = pattern.search(text)
    begin = max(0, first.start() - BEFORE) if first else 0
    end = min(len(text), (first.end() if first else 0) + AFTER)
    part, parts, position = text[begin:end], ["…" if begin else ""], 0
    for place in pattern.finditer(part):
        parts += [escape(part[position : place.start()]), f"<mark>{escape(place.group())}</mark>"]
        position = place.end()
    parts += [escape(part[position:]), "…" if end < len(text) else ""]
    return mark_safe("".join(parts))  # noqa: S308  # every part is escaped above
