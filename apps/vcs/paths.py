"""Paths and names as Git has them: bytes. Inside the portal they are ``str``, without loss.

Bytes that are no UTF-8 become lone surrogates (PEP 383), so ``encode(decode(b)) == b`` for any bytes.
"""

from __future__ import annotations

SURROGATES = 0xDC00  # PEP 383: byte 0x80 is U+DC80, byte 0xff is U+DCFF
LOW, HIGH = 0xDC80, 0xDCFF


def decode(raw: bytes) -> str:
    """Bytes of a path or name as ``str``; what is not UTF-8 becomes lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def encode(path: str) -> bytes:
    """The bytes behind a :func:`decode` result."""
    return path.encode("utf-8", "surrogateescape")


def display(path: str) -> str:
    r"""A form that can be stored and shown: each byte that is not UTF-8 is written ``\xNN``.

    Not reversible (a file may really be called ``\xff``): for showing, never for looking up.
    """
    if path.isascii():
        return path
    return "".join(f"\\x{ord(char) - SURROGATES:02x}" if LOW <= ord(char) <= HIGH else char for char in path)


def is_encodable(text: str) -> bool:
    """False for text that stands for no bytes: it has a surrogate that no :func:`decode` gives."""
    try:
        encode(text)
    except UnicodeEncodeError:
        return False
    return True


def is_safe(path: str) -> bool:
    """True for a relative path without empty, ``.``, ``..`` or ``.git`` components, and no NUL.

    ``.git`` is refused in any letter case, as in ``git fsck`` (CVE-2014-9390).
    """
    if not path or "\0" in path or not is_encodable(path):
        return False
    return all(part not in {"", ".", ".."} and part.casefold() != ".git" for part in path.split("/"))
