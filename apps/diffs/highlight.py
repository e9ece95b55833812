"""Coloured lines with a bounded memo.

Of the lines of a real change only 18–60 % are distinct, and the next change shows many of them again, so a dictionary
from (language, state, line) to (HTML, next state) is worth ten lexers. Memory: at most ``MAX_REMEMBERED`` lines of at
most ``MAX_REMEMBERED_CHARS`` per language, then it starts over.
"""

from __future__ import annotations

from collections.abc import Sequence

from apps.diffs import lookalikes
from apps.diffs.characters import escape, escape_line, lookalike_html, tail
from apps.diffs.lexers import LEXERS, Lexer, State, language_of
from apps.diffs.marks import put

MAX_LEXED = 1_000  # characters; a longer line has no colours
MAX_SHOWN = 4_000  # characters of one line before it is cut, with a count of what is left, unless asked for whole
CUT_OPEN = '<span class="cut">'
MAX_REMEMBERED = 40_000
MAX_REMEMBERED_CHARS = 300
_MAX_STATES = 200
_TRAILING = " \t\r"
_Line = tuple[str, State]


class Painter:
    """Colours lines of one language. Safe to share between threads: a lost memo entry is only made again."""

    def __init__(self, lexer: Lexer, *, whole: bool = False) -> None:
        self._lexer = lexer
        self._line = paint_line if whole else cut_line
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
    """One line without memo: colours, the whitespace at its end made visible, and a cut where it is too long."""
    core = line.rstrip(_TRAILING)
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


_PAINTERS = {name: Painter(lexer) for name, lexer in LEXERS.items()}


def painter_for(path: str, *, whole: bool = False) -> Painter:
    """The shared painter of the language that the path names; ``whole``: one that never cuts a line."""
    language = language_of(path)
    return Painter(LEXERS[language], whole=True) if whole else _PAINTERS[language]


def forget_all() -> None:
    """Empty every memo (cold measurements, tests)."""
    for painter in _PAINTERS.values():
        painter.forget()
