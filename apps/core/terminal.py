"""What programs print for a terminal, read so that nothing of it is lost to who reads it as text.

Source: ECMA-48 §8.3 (control functions), XTerm Control Sequences (OSC). Only colours act. What a terminal would do with the
other sequences (a title, a link, a move over what stands there) must not be a way to print something that nobody sees, so
their content is part of the text. What is dropped says nothing: colours, moves of the cursor and erasing with their numbers.
"""

from __future__ import annotations

import re

from apps.core.text import HIDDEN

LONGEST = 4_096
"""Characters of the content of one sequence; a longer one is no sequence, and all of it is text."""

# Two branches at the top, so that plain text, which is most of a log, is looked at quickly.
SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[(?P<sgr>[0-9:;]{0,64})m"
    # A move or an erasure as progress bars print it; closing a link; saving the cursor, keypad, ASCII, the end of a string.
    r"|(?P<quiet>\[(?:[0-9]{1,4}(?:;[0-9]{1,4})?[ABCDGHJKX]|[AHJKsu]|\?[0-9]{1,4}[hl])"
    r"|\]8;;(?:\x07|\x1b\\)|[78=>\\]|\(B)"
    r"|\[(?P<csi>[0-?]{0,64}[ -/]{0,8})(?P<final>[@-~])"
    rf"|\]8;(?:id=[0-9]{{1,20}})?;(?P<link>[^\x07\x1b]{{1,{LONGEST}}})(?:\x07|\x1b\\)"
    rf"|\](?P<osc>[^\x07\x1b]{{0,{LONGEST}}})(?:\x07|\x1b\\)"
    r"|(?P<string>[\]PX^_])"  # the beginning of a text for the terminal that has no end here
    r")"
    rf"|(?P<hidden>[\r{HIDDEN}])"
)


def without_sequences(line: str) -> str:
    """The words of ``line`` alone, for looking for something in them and for repeating them: also those in sequences.

    Colours and characters that cannot be seen do not come between letters; what else stands in a sequence is a word of its own.
    """
    return SEQUENCE.sub(_words, line)


def _words(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "final":
        return f" {found['csi']} {found['final']}"
    if kind in {"link", "osc"}:
        return f" {_INVISIBLE.sub('', found[kind])} "
    return " " if kind == "string" else ""


_INVISIBLE = re.compile(f"[\r{HIDDEN}]")


def shown(text: str) -> str:
    """The content of a sequence with every character that nobody sees by its number."""
    return _INVISIBLE.sub(lambda found: f"[{code_point(found[0])}]", text)


def code_point(character: str) -> str:
    return f"U+{ord(character):04X}"
