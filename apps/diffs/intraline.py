"""Which words differ between two lines that stand against one another.

Lines are cut into words (names, whole numbers with their unit, operators, runs of spaces, single signs) and the words
are compared (longest common subsequence, Hyyrö's bit-parallel algorithm in rapidfuzz), so that a reader sees
``nginx:1.25`` → ``nginx:1.26`` as one word and not as one digit in it. An inserted list entry is marked with the comma
that belongs to it, and a value that gained or lost its quotes is marked whole: in YAML that is another value. Lines that
have little in common get no marks: everything marked says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from rapidfuzz.distance import Indel, Postfix, Prefix

Span = tuple[int, int]
MAX_CHARS = 1_000
MIN_COMMON = 0.4
_NAME = re.compile(r"\w+")
_WORD = re.compile(r"\w+|\s+|\.+|-+|[<>=!~]+|.", re.DOTALL)
_JOIN = 1  # spans with so few characters between them become one
_QUOTES = frozenset("\"'")
_MAX_QUOTED = 60  # characters of a value that is marked whole with its quotes


class _Change(NamedTuple):
    """Words ``old_from`` ≤ word < ``old_to`` of the old line became those of the new; one of both may be empty."""

    old_from: int
    old_to: int
    new_from: int
    new_to: int


def changed_spans(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Half-open character ranges that differ, sorted and apart, for both lines; both empty for "no marks".

    Linear after the comparison. No marks for lines over ``MAX_CHARS``, equal ones, and ones that share less than
    ``MIN_COMMON`` of their characters. What is not marked is a subsequence of the other line.
    """
    if len(old) > MAX_CHARS or len(new) > MAX_CHARS or old == new or not old or not new:
        return [], []
    head = Prefix.similarity(old, new)
    tail = min(Postfix.similarity(old, new), min(len(old), len(new)) - head)
    if head + tail < (len(old) + len(new)) * MIN_COMMON / 2 and (
        Indel.normalized_similarity(old, new, score_cutoff=MIN_COMMON) == 0
    ):
        return [], []
    # Most pairs differ in one word, which needs no comparison.
    first, last = _word_before(old, head), _word_after(old, len(old) - tail)
    new_last = last + len(new) - len(old)
    if _NAME.fullmatch(old, first, last) and _NAME.fullmatch(new, first, new_last):
        return [(first, last)], [(first, new_last)]
    return _compare_words(old, new, head, tail)


def _compare_words(old: str, new: str, head: int, tail: int) -> tuple[list[Span], list[Span]]:
    """The spans of lines whose first ``head`` and last ``tail`` characters are equal."""
    # Only what lies between the nearest spaces around the difference is cut into words.
    start, end = _space_before(old, head), _space_after(old, len(old) - tail)
    olds, news = _WORD.findall(old, start, end), _WORD.findall(new, start, end + len(new) - len(old))
    changes = _compared(olds, news)
    changes = _quoted([part for change in changes for part in _tidied(change, olds, news)], olds, news)
    old_at = list(accumulate(map(len, olds), initial=start))
    new_at = list(accumulate(map(len, news), initial=start))
    return (
        _joined(old, [(old_at[change.old_from], old_at[change.old_to]) for change in changes]),
        _joined(new, [(new_at[change.new_from], new_at[change.new_to]) for change in changes]),
    )


def _word_before(line: str, at: int) -> int:
    """Where the name or number begins that reaches up to ``at``."""
    while at and (line[at - 1].isalnum() or line[at - 1] == "_"):
        at -= 1
    return at


def _word_after(line: str, at: int) -> int:
    """Where the name or number ends that goes on at ``at``."""
    while at < len(line) and (line[at].isalnum() or line[at] == "_"):
        at += 1
    return at


def _space_before(line: str, at: int) -> int:
    """Where the word or the run of spaces begins that ends at ``at``."""
    if at and line[at - 1] == " ":
        return len(line[:at].rstrip(" "))
    return line.rfind(" ", 0, at) + 1


def _space_after(line: str, at: int) -> int:
    """Where the word or the run of spaces ends that begins at ``at``."""
    if at < len(line) and line[at] == " ":
        return len(line) - len(line[at:].lstrip(" "))
    found = line.find(" ", at)
    return found if found >= 0 else len(line)


def _compared(olds: Sequence[str], news: Sequence[str]) -> list[_Change]:
    """The changes in order, neighbours as one."""
    changes: list[_Change] = []
    for code in Indel.opcodes(olds, news):
        if code.tag == "equal":
            continue
        change = _Change(code.src_start, code.src_end, code.dest_start, code.dest_end)
        if changes and changes[-1].old_to == change.old_from and changes[-1].new_to == change.new_from:
            changes[-1] = _Change(changes[-1].old_from, change.old_to, changes[-1].new_from, change.new_to)
        else:
            changes.append(change)
    return changes


def _tidied(change: _Change, olds: Sequence[str], news: Sequence[str]) -> Iterable[_Change]:
    """The same change where a reader would put it; of several places that say the same, the comparison takes any."""
    old_from, old_to, new_from, new_to = change
    if old_from == old_to:
        moved = _slid(news, new_from, new_to)
        return (_Change(old_from + moved, old_to + moved, new_from + moved, new_to + moved),)
    if new_from == new_to:
        moved = _slid(olds, old_from, old_to)
        return (_Change(old_from + moved, old_to + moved, new_from + moved, new_to + moved),)
    # `/16"]` → `/8", "0.0.0.0/0"]`: one value changed, then another came; not one that ate the quotes.
    cut = _closed_at(news, new_from, new_to)
    if cut and new_to - new_from > old_to - old_from:
        return _Change(old_from, old_to, new_from, cut), _Change(old_to + 1, old_to + 1, cut + 1, new_to + 1)
    cut = _closed_at(olds, old_from, old_to)
    if cut and old_to - old_from > new_to - new_from:
        return _Change(old_from, cut, new_from, new_to), _Change(cut + 1, old_to + 1, new_to + 1, new_to + 1)
    return (change,)


def _slid(words: Sequence[str], start: int, end: int) -> int:
    """By how many words to move an inserted run to the left, as a negative number, so that it begins at a boundary."""
    best, best_score, at = 0, _boundary(words, start), start
    while at > 0 and words[at - 1] == words[end - 1 - (start - at)]:
        at -= 1
        score = _boundary(words, at)
        if score > best_score:
            best, best_score = at - start, score
    return best


def _boundary(words: Sequence[str], at: int) -> int:
    if words[at] == ",":
        return 3
    if at == 0 or words[at - 1].isspace():
        return 2
    return 1 if words[at].isspace() else 0


def _closed_at(words: Sequence[str], start: int, end: int) -> int:
    """Where the quote that follows the run stands in it for the first time; 0 for nowhere."""
    if end >= len(words) or words[end] not in _QUOTES:
        return 0
    return next((at for at in range(start + 1, end) if words[at] == words[end]), 0)


def _quoted(changes: list[_Change], olds: Sequence[str], news: Sequence[str]) -> list[_Change]:
    """Two changes that only add, drop or swap the quotes around a value become one with the value."""
    for first, second in pairwise(changes):
        size = second.old_from - first.old_to
        if _is_quote(first, olds, news) and _is_quote(second, olds, news) and size <= _MAX_QUOTED:
            whole = _Change(first.old_from, second.old_to, first.new_from, second.new_to)
            at = changes.index(first)
            return [*changes[:at], whole, *_quoted(changes[at + 2 :], olds, news)]
    return changes


def _is_quote(change: _Change, olds: Sequence[str], news: Sequence[str]) -> bool:
    words = [*olds[change.old_from : change.old_to], *news[change.new_from : change.new_to]]
    return _QUOTES.issuperset(words)


def _joined(line: str, spans: Iterable[Span]) -> list[Span]:
    """Spans without empty ones; those with one character between them as one, unless that is the end of a string."""
    result: list[Span] = []
    for start, end in spans:
        if start == end:
            continue
        if result and start - result[-1][1] <= _JOIN and line[result[-1][1] : start] not in _QUOTES:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result
