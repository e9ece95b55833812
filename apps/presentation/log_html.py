"""The one writer of log rows: page and socket show the same HTML, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from urllib.parse import urlencode

from apps.presentation.ansi import line_html, without_sequences

_ERROR = re.compile(r"\b(error|fatal|failed|failure|panic|exception|traceback|denied)\b", re.IGNORECASE)
_WARNING = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)
_MARKS = {
    "error": (" ll-e", '<span class="sr">error </span>'),
    "warning": (" ll-w", '<span class="sr">warning </span>'),
    "": ("", ""),
}
_UNSAFE_ID = re.compile(r"[^A-Za-z0-9_-]+")
_LIKE_ANOTHER = re.compile(r"-L?\d+$")


def step_anchor(step: str, attempt: int) -> str:
    """The id prefix of a step's lines: ``step-apply`` for the first attempt, ``step-apply-2`` later.

    No two steps share one: a name that is not an id as it stands, or reads like an attempt or a line, carries a short digest.
    """
    name = _UNSAFE_ID.sub("-", step)
    if name != step or not name or _LIKE_ANOTHER.search(name):
        name += "-x" + sha256(step.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"step-{name}" if attempt <= 1 else f"step-{name}-{attempt}"


def line_url(deployment: int, step: str, attempt: int, line: int) -> str:
    """The page of deployment number ``deployment`` with that line on it, also where scripts do not run, and after later attempts."""
    query = urlencode({"attempt": attempt, "step": step, "line": line})
    return f"/deployments/{deployment}/?{query}#{step_anchor(step, attempt)}-L{line}"


def log_rows(lines: Iterable[str], *, step: str, attempt: int, first_line: int, at: datetime) -> str:
    """Rows ``<div class="ll" id="step-apply-L12">``: number as link, time, text; errors carry a class and a word."""
    anchor = escape(step_anchor(step, attempt))
    # Seconds beside the words: a page can show them in another zone, or counted from the step's begin.
    clock = f'<span class="lt" data-t="{int(at.timestamp())}">{at.astimezone(UTC):%H:%M:%S}</span>'
    rows = []
    for number, line in enumerate(lines, start=first_line):
        kind, word = _MARKS[level_of(line)]
        rows.append(
            f'<div class="ll{kind}" id="{anchor}-L{number}"><a class="ln" tabindex="-1" href="#{anchor}-L{number}">{number}</a>'
            f'{clock}<span class="lx">{word}{line_html(line)}</span></div>'
        )
    return "".join(rows)


def level_of(line: str) -> str:
    """``error``, ``warning`` or nothing, by the words of the line."""
    plain = without_sequences(line)
    if _ERROR.search(plain):
        return "error"
    return "warning" if _WARNING.search(plain) else ""
