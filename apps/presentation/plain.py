"""Text of other people made safe to look at: characters that nobody sees, or that turn a line around, are named."""

from __future__ import annotations

import re
import unicodedata

from apps.core.text import HIDDEN

_HIDDEN = re.compile(f"[{HIDDEN}]")


def visible(text: object) -> str:
    """``text`` with every hidden character written as ``⟨U+202E⟩``; still to be escaped as HTML."""
    return _HIDDEN.sub(_name, str(text))


def one_line(text: object) -> str:
    """The same for a title or a name: line ends become spaces."""
    return visible(re.sub(r"\s+", " ", str(text)).strip())


def _name(found: re.Match[str]) -> str:
    char = found.group()
    if unicodedata.category(char) == "Cc" and char < "\x20":
        return chr(0x2400 + ord(char))
    return f"⟨U+{ord(char):04X}⟩"
