"""Which words differ between two lines that stand against one another.

Characters are compared (longest common subsequence, Hyyrö's bit-parallel algorithm in rapidfuzz: 2–3 µs a pair), then
the differences grow to whole words, so that a reader sees ``nginx:1.25`` → ``nginx:1.26`` as one word and not as one
digit in it. Lines that have little in common get no marks: everything marked says nothing.
"""

from __future__ import annotations

import re

from rapidfuzz.distance import Indel

Span = tuple[int, int]
MAX_CHARS = 1_000
MIN_COMMON = 0.4
_WORD = re.compile(r"\w+")
_JOIN = 1  # spans with so few characters between them become one


def changed_spans(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Half-open character ranges that differ, sorted and apart, for both lines; both empty for "no marks".

    Linear after the comparison. No marks for lines over ``MAX_CHARS``, equal ones, and ones that share less than
    ``MIN_COMMON`` of their characters.
    """
    if len(old) > MAX_CHARS or len(new) > MAX_CHARS or old == new or not old or not new:
        return [], []
    if Indel.normalized_similarity(old, new, score_cutoff=MIN_COMMON) == 0:
        return [], []
    old_spans: list[Span] = []
    new_spans: list[Span] = []
    for _, old_from, old_to, new_from, new_to in _differences(old, new):
        # What stands beside a difference is equal on both sides, so both grow by the same: "web" → "website" marks
        # both words, though nothing of the old one was taken away.
        left = max(_left(old, old_from, old_to), _left(new, new_from, new_to))
        right = max(_right(old, old_from, old_to), _right(new, new_from, new_to))
        old_spans.append((max(old_from - left, 0), min(old_to + right, len(old))))
        new_spans.append((max(new_from - left, 0), min(new_to + right, len(new))))
    return _joined(old_spans), _joined(new_spans)


def _differences(old: str, new: str) -> list[tuple[str, int, int, int, int]]:
    """Changed ranges in both lines, merged where one word of either holds several of them."""
    merged: list[tuple[str, int, int, int, int]] = []
    for code in Indel.opcodes(old, new):
        tag, old_from, old_to, new_from, new_to = code.tag, code.src_start, code.src_end, code.dest_start, code.dest_end
        if tag == "equal":
            continue
        if merged and _same_word(old, merged[-1][2], old_from) and _same_word(new, merged[-1][4], new_from):
            _, first_old, _, first_new, _ = merged[-1]
            merged[-1] = ("replace", first_old, old_to, first_new, new_to)
        else:
            merged.append((tag, old_from, old_to, new_from, new_to))
    return merged


def _same_word(line: str, end: int, start: int) -> bool:
    """Whether nothing but letters and digits stands between two changes, so that they are in one word."""
    return end == start or _WORD.fullmatch(line, end, start) is not None


def _joined(spans: list[Span]) -> list[Span]:
    """Spans without empty ones, those that nearly touch as one."""
    result: list[Span] = []
    for start, end in spans:
        if start == end:
            continue
        if result and start - result[-1][1] <= _JOIN:
            result[-1] = (min(start, result[-1][0]), max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _left(line: str, start: int, end: int) -> int:
    """How many characters before a span belong to the word that the span begins in."""
    if start == end or not _is_word(line[start]):
        return 0
    at = start
    while at > 0 and _is_word(line[at - 1]):
        at -= 1
    return start - at


def _right(line: str, start: int, end: int) -> int:
    """How many characters after a span belong to the word that the span ends in."""
    if start == end or not _is_word(line[end - 1]):
        return 0
    at = end
    while at < len(line) and _is_word(line[at]):
        at += 1
    return at - end


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
