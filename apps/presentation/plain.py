"""Text of other people made safe to look at: characters that nobody sees, or that turn a line around, are named."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls, bidirectional marks and overrides, zero-width and tag characters, lone surrogates."""


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
