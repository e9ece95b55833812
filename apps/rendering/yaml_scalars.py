"""What a plain YAML scalar means to Kubernetes, whose reader follows YAML 1.1 in part.

``yes``, ``on``, ``y`` are booleans; ``0777`` and ``0o777`` are octal; ``1e3`` is a number; there are no numbers of base
60, and a date stays text. Keys of mappings become text in the way in which that reader writes them.
"""

from __future__ import annotations

import math
import re
import struct

from apps.rendering.model import Json

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = (16, 2, 8, 10)
_LONGEST_NUMBER = 400


class NotFinite(ValueError):
    """An infinite number or none: JSON, and with it Kubernetes, has no such value."""


def resolved(text: str) -> Json:
    """The value of a plain scalar without a tag. Raises :class:`NotFinite`."""
    if text in _WORDS:
        return _WORDS[text]
    if not text.isascii() or text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    if _NOT_FINITE.fullmatch(text):
        raise NotFinite(text)
    if text[0] == ".":
        return _float(text, text)
    plain = text.replace("_", "")
    number = _integer(plain)
    return _float(plain, text) if number is None else number


def _integer(plain: str) -> int | float | None:
    match = _INTEGER.fullmatch(plain)
    if match is None:
        return None
    sign, *digits = match.groups()
    number, base = next((int(each, base), base) for each, base in zip(digits, _BASES, strict=True) if each is not None)
    number = -number if sign == "-" else number
    if -(1 << 63) <= number < 1 << 63:
        return number
    return float(number) if base != 10 else None  # too large: a float, which in base 10 the other rule reads


def _float(plain: str, text: str) -> Json:
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if math.isfinite(number):
            return number
    return text


def key_text(key: Json) -> str | None:
    """The key of a mapping as text; ``None`` for what can be no key."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(key)
    return _short(key) if isinstance(key, float) else None


def _short(number: float) -> str:
    """The fewest digits that mean the same number in 32 bits; an exponent from 1e6 on and below 1e-4."""
    try:
        wanted = struct.pack("<f", number)
    except OverflowError:
        return ".inf" if number > 0 else "-.inf"
    (number,) = struct.unpack("<f", wanted)
    texts = (f"{number:.{digits}e}" for digits in range(9))
    scientific = next((text for text in texts if struct.pack("<f", float(text)) == wanted), f"{number:.8e}")
    mantissa, _, exponent = scientific.partition("e")
    if -4 <= int(exponent) < 6:
        digits = len(mantissa.lstrip("-").replace(".", ""))
        return f"{float(scientific):.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}e{int(exponent):+03d}"
