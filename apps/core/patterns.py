"""Path patterns as in ``.gitignore`` (gitignore(5), wildmatch.c), matched without regular expressions.

A pattern is cut at ``/`` into segments; ``**`` is a wildcard over whole segments. Both levels use the
greedy two-pointer algorithm for wildcards, which never takes more than (pattern × text) steps, so no
pattern of a hostile file can be slow. Two deliberate differences from gitignore, both as on GitHub and
GitLab: ``docs/*`` names the files directly in ``docs``, not those deeper; and ``!`` is not part of a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

MAX_LENGTH = 4_096
DEPTH = 4
"""So many folders deep are paths arranged; below it a pattern is tried on each."""


class PatternError(ValueError):
    """The text is no pattern; the message says why."""


@dataclass(frozen=True, slots=True)
class CharClass:
    """``[a-c]``: inclusive ranges of characters; ``negated`` for ``[!…]``."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def accepts(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


STAR = "*"  # in a segment: any characters; among segments: any number of segments
ANY = "?"  # in a segment: one character; among segments: exactly one segment
# A segment is a plain text, or the tuple of its parts: one-character literals ("=x"), ANY, STAR, classes.
Part = str | CharClass
Segment = str | tuple[Part, ...]
Token = tuple[str, Segment]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. ``head`` is the first segment when it is plain text at the root, else ``""``."""

    text: str
    tokens: tuple[Token, ...]
    head: str

    def matches(self, path: str) -> bool:
        """Whether the file at ``path`` (no leading slash) is meant."""
        return self.matches_segments(path.split("/"))

    def matches_segments(self, segments: Sequence[str]) -> bool:
        """The same for a path that was cut already."""
        if self.head and self.head != segments[0]:
            return False
        return _glob(self.tokens, segments, _token_is_star, _token_accepts)


class PathIndex:
    """Paths by the folders above them, so that a pattern that begins with plain folders is tried on those below them only."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._below: dict[tuple[str, ...], list[list[str]]] = {}
        for path in paths:
            segments = path.split("/")
            for depth in range(min(len(segments), DEPTH) + 1):
                self._below.setdefault(tuple(segments[:depth]), []).append(segments)

    def has_match(self, pattern: Pattern) -> bool:
        """Whether one of the paths is meant."""
        return any(pattern.matches_segments(one) for one in self._below.get(_plain_start(pattern), ()))


def _plain_start(pattern: Pattern) -> tuple[str, ...]:
    """The segments that every path that is meant begins with."""
    plain = takewhile(lambda token: token[0] == "" and isinstance(token[1], str), pattern.tokens)
    return tuple(str(segment) for _, segment in islice(plain, DEPTH))


def compile_pattern(text: str) -> Pattern:
    r"""Compile one pattern; ``\`` escapes the next character. Raises :class:`PatternError`."""
    if len(text) > MAX_LENGTH:
        raise PatternError(f"it is longer than {MAX_LENGTH:,} characters")
    parts = text.split("/")
    only_folders = len(parts) > 1 and parts[-1] == ""
    body = parts[:-1] if only_folders else parts
    anchored = len(body) > 1
    if anchored and body[0] == "":
        body = body[1:]
    if not any(body):
        raise PatternError("it names no path")
    if "" in body:
        raise PatternError("it has an empty part between two slashes")
    tokens: list[Token] = [] if anchored else [(STAR, "")]
    tokens += _body(body, only_children=anchored and body[-1] == STAR and not only_folders)
    if only_folders:
        tokens += [(ANY, ""), (STAR, "")]
    kind, first = tokens[0]
    return Pattern(text, tuple(tokens), first if kind == "" and isinstance(first, str) else "")


def _body(body: Sequence[str], *, only_children: bool) -> list[Token]:
    tokens: list[Token] = []
    last = len(body) - 1
    for index, part in enumerate(body):
        if part == "**" and index == last:
            return [*tokens, (ANY, ""), (STAR, "")]
        tokens.append((STAR, "") if part == "**" else ("", _segment(part)))
    # What matches a folder means everything below it, except for a closing `/*`.
    return tokens if only_children else [*tokens, (STAR, "")]


def _segment(text: str) -> Segment:
    parts: list[Part] = []
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            if index + 1 == len(text):
                raise PatternError("it ends with a backslash that escapes nothing")
            parts.append("=" + text[index + 1])
            index += 2
        elif char == "[":
            found, index = _char_class(text, index + 1)
            parts.append(found)
        else:
            _append(parts, char)
            index += 1
    if all(isinstance(part, str) and part.startswith("=") for part in parts):
        return "".join(str(part)[1:] for part in parts)
    return tuple(parts)


def _append(parts: list[Part], char: str) -> None:
    if char not in "*?":
        parts.append("=" + char)
    elif char == ANY or not parts or parts[-1] != STAR:
        parts.append(char)


def _char_class(text: str, index: int) -> tuple[CharClass, int]:
    """The class whose ``[`` stands before ``index``, and where it ends."""
    start = index
    negated = text[index : index + 1] in ("!", "^")
    index += negated
    ranges: list[tuple[str, str]] = []
    first = True
    while first or text[index : index + 1] != "]":
        first = False
        if text.startswith("[:", index):
            raise PatternError("named classes such as `[:alpha:]` are not understood")
        low, index = _class_char(text, index, start)
        high = low
        if text[index : index + 1] == "-" and text[index + 1 : index + 2] not in ("]", ""):
            high, index = _class_char(text, index + 1, start)
        ranges.append((low, high))
    return CharClass(tuple(ranges), negated), index + 1


def _class_char(text: str, index: int, start: int) -> tuple[str, int]:
    if text[index : index + 1] == "\\":
        index += 1
    if index >= len(text):
        raise PatternError(f"the `[` at character {start} is never closed")
    return text[index], index + 1


def _segment_matches(segment: Segment, text: str) -> bool:
    if isinstance(segment, str):
        return segment == text
    return _glob(segment, text, _part_is_star, _part_accepts)


def _part_is_star(part: Part) -> bool:
    return part == STAR


def _part_accepts(part: Part, char: str) -> bool:
    if isinstance(part, CharClass):
        return part.accepts(char)
    return part == ANY or part[1:] == char


def _token_is_star(token: Token) -> bool:
    return token[0] == STAR


def _token_accepts(token: Token, text: str) -> bool:
    return token[0] == ANY or _segment_matches(token[1], text)


def _glob(
    pattern: Sequence[Any], items: Sequence[str], is_star: Callable[[Any], bool], accepts: Callable[[Any, str], bool]
) -> bool:
    """Match ``items`` one by one; on a mismatch only the last star takes one item more."""
    at = position = 0
    star = resume = -1
    while position < len(items):
        if at < len(pattern) and is_star(pattern[at]):
            star, resume = at, position
            at += 1
        elif at < len(pattern) and accepts(pattern[at], items[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return all(is_star(token) for token in pattern[at:])
