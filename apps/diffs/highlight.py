"""Coloured lines with a bounded memo.

Of the lines of a real change only 18–60 % are distinct, and the next change shows many of them again, so a dictionary
from (language, state, line) to (HTML, next state) is worth ten lexers. Memory: at most ``MAX_REMEMBERED`` lines of at
most ``MAX_REMEMBERED_CHARS`` per language, then it starts over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from apps.diffs import lookalikes
from apps.diffs.characters import escape, escape_line, lookalike_html, tail
from apps.diffs.files import MAX_SHOWN
from apps.diffs.lexers import LEXERS, Lexer, State, language_of, span
from apps.diffs.marks import put

MAX_LEXED = 1_000  # characters; a longer line has no colours
PIECE = 50_000  # characters of one line in one answer
CUT_OPEN = '<span class="cut">'
MAX_REMEMBERED = 40_000
MAX_REMEMBERED_CHARS = 300
_MAX_STATES = 200
TRAILING = " \t\r"
PART = 2
CLASSES = frozenset("ksuwfc")
_Line = tuple[str, State]


class Painter:
    """Colours lines of one language. Safe to share between threads: a lost memo entry is only made again."""

    def __init__(self, lexer: Lexer, *, piece: int = 0) -> None:
        self._lexer = lexer
        self._line = cut_line if not piece else partial(piece_line, piece)
        self._memo: dict[State, dict[str, _Line]] = {}
        # Lines that begin and end in state 0, once more by themselves: whole hunks of them need no loop of ours.
        self._calm: dict[str, str] = {}
        self._remembered = 0

    def paint_calm(self, lines: Sequence[str]) -> list[str] | None:
        """The HTML of lines that are all known to begin and end in state 0; ``None`` if one of them is not."""
        try:
            return list(map(self._calm.__getitem__, lines))
        except KeyError:
            return None

    def paint(self, lines: Sequence[str], state: State = 0) -> tuple[list[str], State]:
        """The HTML of neighbouring lines, and the state after them."""
        known = self._known(state)
        painted: list[str] = []
        add = painted.append
        for line in lines:
            hit = known.get(line)
            if hit is None:
                hit = self._paint_new(line, state, known)
            html, following = hit
            add(html)
            if following != state:
                state = following
                known = self._known(state)
        return painted, state

    def _known(self, state: State) -> dict[str, _Line]:
        known = self._memo.get(state)
        if known is None:
            if len(self._memo) >= _MAX_STATES:
                self.forget()
            known = self._memo.setdefault(state, {})
        return known

    def _paint_new(self, line: str, state: State, known: dict[str, _Line]) -> _Line:
        painted = self._line(self._lexer, line, state)
        if len(line) <= MAX_REMEMBERED_CHARS:
            if self._remembered >= MAX_REMEMBERED:
                self.forget()
                known.clear()
            known[line] = painted
            if state == 0 == painted[1]:
                self._calm[line] = painted[0]
            self._remembered += 1
        return painted

    def forget(self) -> None:
        """Empty the memo."""
        self._memo = {}
        self._calm = {}
        self._remembered = 0


def paint_line(lexer: Lexer, line: str, state: State) -> _Line:
    """One line without memo: colours, and the whitespace at its end made visible."""
    core = line.rstrip(TRAILING)
    html, following = lexer(core, state) if len(core) <= MAX_LEXED else (escape(core), state)
    if not core.isascii() and (found := lookalikes.find(core)):
        html = put(html, {at: lookalike_html(char) for at, char in found.items()})
    return (html if len(core) == len(line) else html + tail(line[len(core) :])), following


def cut_line(lexer: Lexer, line: str, state: State) -> _Line:
    """As ``paint_line``, but a line over ``MAX_SHOWN`` says how many characters are left out."""
    if len(line) <= MAX_SHOWN:
        return paint_line(lexer, line, state)
    rest = f"{CUT_OPEN}[{len(line) - MAX_SHOWN:,} more characters are not shown]</span>"
    return escape_line(line[:MAX_SHOWN]) + rest, state


def piece_line(piece: int, lexer: Lexer, line: str, state: State) -> _Line:
    """The ``piece``-th part (from 1) of a line over ``PIECE`` characters, with what stands before and after counted."""
    start, end = (piece - 1) * PIECE, piece * PIECE
    if len(line) <= PIECE:
        return paint_line(lexer, line, state) if len(line) <= MAX_SHOWN else (escape_line(line), state)
    before = f"{CUT_OPEN}[{min(start, len(line)):,} characters before]</span>" if start else ""
    after = f"{CUT_OPEN}[{len(line) - end:,} more characters are not shown]</span>" if end < len(line) else ""
    return before + escape_line(line[start:end]) + after, state


def html_of_parts(lines: Sequence[str], answer: object) -> dict[str, str] | None:
    """What another process says of lines (``[class, text]`` each) → HTML by line; ``None`` unless it is about them.

    Nothing of it is trusted: the texts must be the lines, the classes ours, and the HTML is written here.
    """
    if not isinstance(answer, list) or len(answer) != len(lines):
        return None
    painted: dict[str, str] = {}
    for line, row in zip(lines, answer, strict=True):
        parts = [part for part in row if isinstance(part, list) and len(part) == PART] if isinstance(row, list) else []
        if "".join(str(text) for _, text in parts) != line:
            return None
        pieces = [span(name, str(text)) if name in CLASSES else escape(str(text)) for name, text in parts]
        painted[line] = "".join(pieces)
    return painted


def painter_of(painted: Mapping[str, str], *, piece: int = 0) -> Painter:
    """A painter of its own for lines that another process has coloured; others have no colours."""

    def lexer(line: str, state: State) -> tuple[str, State]:
        found = painted.get(line)
        return (escape(line) if found is None else found), state

    return Painter(lexer, piece=piece)


_PAINTERS = {name: Painter(lexer) for name, lexer in LEXERS.items()}


def painter_for(path: str, *, piece: int = 0) -> Painter:
    """The shared painter of the language that the path names; ``piece``: one that shows that part of long lines."""
    language = language_of(path)
    return Painter(LEXERS[language], piece=piece) if piece else _PAINTERS[language]


def forget_all() -> None:
    """Empty every memo (cold measurements, tests)."""
    for painter in _PAINTERS.values():
        painter.forget()
