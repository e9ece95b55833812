"""ANSI colours of a log line as spans with classes.

Source: ECMA-48 §8.3.117 (SGR). Only SGR acts; it never carries over from line to line, so
that a log can be shown from any line on. Every other escape sequence and control character
is removed or shown as a visible token: nothing in a log can move the cursor, link or hide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape

# CSI … final byte | OSC … (BEL or ST) | other two-byte escapes | single control characters.
_SEQUENCE = re.compile(
    r"\x1b\[([0-?]{0,64})[ -/]{0,8}([@-~])|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|\x1b[@-_a-z0-9=>]|\x1b"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
MAX_LINE = 8_000
"""Characters of one line that are shown; the rest is counted and in the raw log."""


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
    """One line, escaped, with ``<span class>`` for colours and visible tokens for control characters."""
    cut = len(line) - MAX_LINE
    if cut > 0:
        line = line[:MAX_LINE]
    parts: list[str] = []
    style, position = PLAIN, 0
    for match in _SEQUENCE.finditer(line):
        _append(parts, line[position : match.start()], style)
        position = match.end()
        if match.group(2) == "m":
            style = _apply(style, match.group(1) or "")
        elif len(match.group()) == 1:
            parts.append(_token(match.group()))
    _append(parts, line[position:], style)
    if cut > 0:
        parts.append(f'<span class="inv">[{cut:,} more characters in the raw log]</span>')
    return "".join(parts)


def without_sequences(line: str) -> str:
    """The words of a line alone: what is looked at to find errors, and never shown."""
    return _SEQUENCE.sub("", line[:MAX_LINE])


def _append(parts: list[str], text: str, style: Style) -> None:
    if not text:
        return
    classes = style.classes()
    parts.append(f'<span class="{classes}">{escape(text)}</span>' if classes else escape(text))


def _token(character: str) -> str:
    return f'<span class="inv">[U+{ord(character):04X}]</span>'


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
