"""ANSI colours of a log line as spans with classes.

Source: ECMA-48 §8.3.117 (SGR). Only SGR acts; it never carries over from line to line, so
that a log can be shown from any line on. What else is for a terminal (apps.core.terminal) stands
there as a visible token with its content, or says nothing and is dropped: nothing in a log can
move the cursor, link or hide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape

from apps.core import terminal
from apps.deployments.output import LONGEST_STORED

_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


@dataclass(frozen=True, slots=True)
class Style:
    bold: bool = False
    underline: bool = False
    colour: str = ""
    bright: bool = False

    def classes(self) -> str:
        words = ["b"] * self.bold + ["u"] * self.underline
        if self.colour:
            words.append(f"a-{'bright-' if self.bright else ''}{self.colour}")
        return " ".join(words)


PLAIN = Style()


def line_html(line: str) -> str:
    """One line, escaped, with ``<span class>`` for colours and visible tokens for control characters.

    Whole as it is stored; what is longer than any stored line is cut and counted.
    """
    cut = len(line) - LONGEST_STORED
    if cut > 0:
        line = line[:LONGEST_STORED]
    parts: list[str] = []
    style, position = PLAIN, 0
    for match in terminal.SEQUENCE.finditer(line):
        _append(parts, line[position : match.start()], style)
        position = match.end()
        if match.lastgroup == "sgr":
            style = _apply(style, match["sgr"])
        elif match.lastgroup != "quiet":
            parts.append(f'<span class="inv">{escape(_token(match))}</span>')
    _append(parts, line[position:], style)
    if cut > 0:
        parts.append(f'<span class="inv">[{cut:,} more characters in the raw log]</span>')
    return "".join(parts)


def without_sequences(line: str) -> str:
    """The words of a line alone, with those in sequences: what is looked at to find errors and words."""
    return terminal.without_sequences(line[:LONGEST_STORED])


def as_shown(line: str) -> str:
    """What :func:`line_html` shows of a line, as text: whoever reads a token on the page may look for it."""
    return terminal.SEQUENCE.sub(_token, line[:LONGEST_STORED])


def _append(parts: list[str], text: str, style: Style) -> None:
    if not text:
        return
    classes = style.classes()
    parts.append(f'<span class="{classes}">{escape(text)}</span>' if classes else escape(text))


def _token(found: re.Match[str]) -> str:
    """What a terminal would have acted on, in words; nothing for colours and what says nothing."""
    kind = found.lastgroup
    if kind in {"sgr", "quiet"}:
        return ""
    if kind == "hidden":
        return f"[{terminal.code_point(found['hidden'])}]"
    if kind == "final":
        return f"[CSI {found['csi']}{found['final']}]"
    if kind == "string":
        return f"[ESC {found['string']}]"
    return f"[{kind} {terminal.shown(found[str(kind)])}]"


def _apply(style: Style, parameters: str) -> Style:
    codes = [int(word) if word.isdecimal() and len(word) < 4 else 0 for word in parameters.split(";")]
    index = 0
    while index < len(codes):
        code = codes[index]
        if code in {38, 48}:
            # 256 colours and true colour: their parameters are skipped, the text stays readable in every theme.
            index += {5: 3, 2: 5}.get(codes[index + 1] if index + 1 < len(codes) else 0, 1)
            continue
        style = _one(style, code)
        index += 1
    return style


def _one(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in {1, 22}:
        return replace(style, bold=code == 1)
    if code in {4, 24}:
        return replace(style, underline=code == 4)
    if code == 39:
        return replace(style, colour="", bright=False)
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(style, colour=_COLOURS[code % 10], bright=code >= 90)
    return style
