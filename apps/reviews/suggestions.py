"""Suggestions: a fenced block in a comment that says how the commented lines should read. Pure.

The fence is that of CommonMark with the word ``suggestion`` behind it; an empty block means "remove these lines".
Edits work on bytes: line ends, a missing last line feed and bytes that are no UTF-8 stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from apps.core.errors import Conflict, InvalidInput
from apps.reviews.anchors import Anchor, Scope, lines_in_words

_BLOCK = re.compile(
    r"^(?P<fence>`{3,}|~{3,})suggestion[ \t]*\n(?P<text>(?:(?!^(?P=fence)).*\n)*?)(?P=fence)[`~]*[ \t]*$", re.MULTILINE
)


def suggested_lines(body: str) -> list[str] | None:
    """The lines that the suggestion of a comment puts in place of those commented on; ``None`` without one."""
    found = _BLOCK.search(_normal(body))
    return found["text"].split("\n")[:-1] if found else None


def without_suggestion(body: str) -> tuple[str, str]:
    """What the comment says before and after its suggestion."""
    text = _normal(body)
    found = _BLOCK.search(text)
    return (text[: found.start()].strip(), text[found.end() :].strip()) if found else (text, "")


def _normal(body: str) -> str:
    return body.replace("\r\n", "\n")


def check_suggestion(body: str, anchor: Anchor) -> None:
    """Refuse a comment whose suggestion could never be applied."""
    count = len(_BLOCK.findall(_normal(body)))
    if not count:
        return
    if count > 1:
        raise InvalidInput("two_suggestions", "One comment holds one suggestion; write a second comment.", field="body")
    if anchor.scope != Scope.LINE or anchor.side != "new":
        raise InvalidInput(
            "no_lines_to_replace",
            "A suggestion replaces lines, so it stands on a line or a range of the file after the change.",
            field="body",
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines ``first`` to ``last`` of a file become ``lines``; ``name`` says whose suggestion this is."""

    first: int
    last: int
    lines: tuple[str, ...]
    name: str


def check_disjoint(path: str, edits: Sequence[Edit]) -> list[Edit]:
    """The edits of one file from top to bottom; :class:`Conflict` naming two that touch the same lines."""
    ordered = sorted(edits, key=lambda edit: (edit.first, edit.last))
    for before, after in pairwise(ordered):
        if after.first <= before.last:
            where = lines_in_words(after.first, min(before.last, after.last))
            raise Conflict(
                "suggestions_conflict",
                f"{before.name} and {after.name} both change line {where} of {path}. Apply one of them, "
                "then look at the other again.",
            )
    return ordered


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """``data`` with disjoint ``edits``. New lines end like the line that they replace."""
    lines = _split_at_line_feeds(data)
    for edit in reversed(edits):
        lines[edit.first - 1 : edit.last] = _written(lines, edit)
    return b"".join(lines)


def _split_at_line_feeds(data: bytes) -> list[bytes]:
    parts = [part + b"\n" for part in data.split(b"\n")]
    last = parts.pop()[:-1]
    return [*parts, last] if last else parts


def _written(lines: list[bytes], edit: Edit) -> list[bytes]:
    old = lines[edit.first - 1 : edit.last]
    end = b"\r\n" if old[0].endswith(b"\r\n") else b"\n"
    new = [line.encode("utf-8") + end for line in edit.lines]
    if new and not old[-1].endswith(b"\n"):
        new[-1] = new[-1].removesuffix(end)
    return new
