"""Lay ``<mark>`` over lines that are already HTML, without a tag ever crossing another.

A mark is put inside each piece of text between tags, so it nests in the colours. Offsets count characters of the
source line; an entity and a token for an invisible character are one character each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from apps.diffs.characters import INVISIBLE_OPEN
from apps.diffs.intraline import Span, changed_spans

_TAG = re.compile(r"(<[^>]*>)")
_UNIT = re.compile(r"&[a-z]+;|[^&]")
_Marked = tuple[str, str]
_MAX_REMEMBERED = 20_000
_remembered: dict[_Marked, _Marked] = {}


def mark_pair(old_html: str, new_html: str, old: str, new: str) -> _Marked:
    """Both lines with marks on what differs. Remembered by the painted lines, which stand for text and state."""
    key = (old_html, new_html)
    marked = _remembered.get(key)
    if marked is None:
        old_spans, new_spans = changed_spans(old, new)
        marked = (lay(old_html, old_spans), lay(new_html, new_spans))
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[key] = marked
    return marked


def forget_marks() -> None:
    """Empty the memo (cold measurements, tests)."""
    _remembered.clear()


def lay(html: str, spans: Sequence[Span]) -> str:
    """``html`` of one line with the given characters in ``<mark>``."""
    if not spans:
        return html
    out: list[str] = []
    at = 0
    is_token = False
    for piece in _TAG.split(html):
        if not piece:
            continue
        if piece[0] == "<":
            is_token = piece == INVISIBLE_OPEN
            out.append(piece)
            continue
        units = [piece] if is_token else piece if "&" not in piece else _UNIT.findall(piece)
        out.append(_lay_text(units, at, spans))
        at += len(units)
    return "".join(out)


def put(html: str, tokens: Mapping[int, str]) -> str:
    """``html`` of one line with the characters at the given offsets replaced by HTML of ours (one span each)."""
    out: list[str] = []
    at = 0
    is_token = False
    for piece in _TAG.split(html):
        if piece.startswith("<"):
            is_token = piece == INVISIBLE_OPEN
            out.append(piece)
        elif piece:
            units = [piece] if is_token else _UNIT.findall(piece)
            out += [tokens.get(at + index, unit) for index, unit in enumerate(units)]
            at += len(units)
    return "".join(out)


def _lay_text(units: Sequence[str], at: int, spans: Sequence[Span]) -> str:
    out: list[str] = []
    done = 0
    for first, last in spans:
        start, end = max(first - at, 0), min(last - at, len(units))
        if start < end:
            out += [*units[done:start], "<mark>", *units[start:end], "</mark>"]
            done = end
    return "".join([*out, *units[done:]])
