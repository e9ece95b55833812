r"""The one place where characters of a repository become characters of a page.

Everything that a browser would hide, reorder or merge is written as a visible token: control characters, Unicode
format characters (bidirectional overrides, zero-width, tags), odd spaces, private use, variation selectors
(CVE-2021-42574, "Trojan Source"; Unicode TR36). Bytes that are no UTF-8 arrive as lone surrogates
(``surrogateescape``) and are shown as ``[\xE9]``. Tab stays a tab and is drawn by the style sheet.
"""

from __future__ import annotations

import re

from apps.diffs import lookalikes

# Categories Cc (but tab), Cf, Zl, Zp, Zs (but space), Cs, Co, non-characters, Hangul and Khmer fillers, Braille blank,
# variation selectors. Written out because asking unicodedata a million times would cost 0.1 s at every start; the
# test compares the table with unicodedata.
INVISIBLE_RANGES = (
    (0x0, 0x8), (0xA, 0x1F), (0x7F, 0xA0), (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605), (0x61C, 0x61C),
    (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800),
    (0x3000, 0x3000), (0x3164, 0x3164), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD), (0x110CD, 0x110CD),
    (0x13430, 0x13455), (0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159), (0x1D173, 0x1D17A),
    *((plane + 0xFFFE, plane + 0xFFFF) for plane in range(0x10000, 0xD0001, 0x10000)),
    (0xDFFFE, 0xE0FFF), (0xEFFFE, 0x10FFFF),
)  # fmt: skip
INVISIBLE_CLASS = "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in INVISIBLE_RANGES)
# What must never reach a text node as it is; lexers put this alternative last in their one expression.
SPECIAL = f"[&<>\t{INVISIBLE_CLASS}]"
INVISIBLE_OPEN = '<span class="inv">'
# The same for text that is all ASCII, which Python knows without looking: a set of seven ranges instead of sixty.
SPECIAL_ASCII = r"[&<>\x00-\x1f\x7f]"
_SPECIAL = re.compile(SPECIAL)
_SPECIAL_ASCII = re.compile(SPECIAL_ASCII)
_NOT_SHOWN = re.compile(f"[{INVISIBLE_CLASS}]")
# Between letters of Indic, Persian and emoji sequences these are ordinary, but still shown: better noisy than blind.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": '<span class="tb">\t</span>'}
_BYTE_FIRST, _BYTE_LAST = 0xDC80, 0xDCFF


def token(char: str) -> str:
    r"""The visible name of one invisible character: ``[U+202E]``, ``[CR]``, or ``[\xE9]`` for a byte that is no UTF-8."""
    code = ord(char)
    if char == "\r":
        return "[CR]"
    if _BYTE_FIRST <= code <= _BYTE_LAST:
        return f"[\\x{code - 0xDC00:02X}]"
    return f"[U+{code:04X}]"


def is_invisible(char: str) -> bool:
    """Whether this character is shown as a token."""
    return _NOT_SHOWN.match(char) is not None


def special(char: str) -> str:
    """The HTML of one character that ``SPECIAL`` matches."""
    entity = _ENTITIES.get(char)
    return entity if entity is not None else f"{INVISIBLE_OPEN}{token(char)}</span>"


def escape(text: str) -> str:
    """Text → HTML of a text node. Only ``&lt; &gt; &amp;`` and our own two spans can come out."""
    expression = _SPECIAL_ASCII if text.isascii() else _SPECIAL
    if expression.search(text) is None:
        return text
    return expression.sub(lambda match: special(match.group()), text)


def escape_line(text: str) -> str:
    """A whole line or name → HTML: as ``escape``, and what looks like ASCII but is not becomes a token as well."""
    found = lookalikes.find(text)
    if not found:
        return escape(text)
    return "".join(lookalike_html(char) if at in found else escape(char) for at, char in enumerate(text))


def lookalike_html(char: str) -> str:
    """The token of a character that looks like ASCII."""
    return f"{INVISIBLE_OPEN}{lookalikes.token(char)}</span>"


def plain(text: str) -> str:
    """Text → text with tokens instead of what is invisible (also of tab) or looks like another character.

    For JSON words, captions, attributes.
    """
    text = lookalikes.named(text)
    return _NOT_SHOWN.sub(lambda match: token(match.group()), text).replace("\t", "[U+0009]")


def escape_attribute(text: str) -> str:
    """Text → the inside of a double-quoted attribute, tokens in place of everything invisible."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def escape_name(text: str) -> str:
    """A path → HTML: as ``escape``, but a tab in a name is a token, for it would read as a space."""
    return escape_line(text).replace('<span class="tb">\t</span>', f"{INVISIBLE_OPEN}[U+0009]</span>")


def tail(whitespace: str) -> str:
    """The HTML of the spaces, tabs and carriage returns that end a line, each drawn."""
    if not whitespace:
        return ""
    return "".join(
        f'<span class="ws">{run}</span>' if run[0] == " " else escape(run)
        for run in re.findall(r" +|[^ ]+", whitespace)
    )


def decode(data: bytes) -> tuple[str, bool]:
    """Bytes → (text, whether it was clean UTF-8). Never fails: other bytes become lone surrogates, shown as tokens."""
    try:
        return data.decode("utf-8"), True
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), False


def hidden_characters(text: str) -> dict[str, int]:
    """How often each invisible character occurs, by token, without line ends; empty for ordinary text."""
    found: dict[str, int] = {}
    for char in _NOT_SHOWN.findall(text):
        if char != "\n":
            name = token(char)
            found[name] = found.get(name, 0) + 1
    return found
