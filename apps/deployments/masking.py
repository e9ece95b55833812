"""Secrets never reach a log: every spelling of them that tools print is replaced. Pure.

Masked are the value, each of its lines when it has several, and its base64 (at all three
alignments inside a longer text, standard and URL-safe; wrapped as base64(1) and openssl(1) do),
percent-encoded, HTML-escaped and JSON-escaped forms.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

MASK = b"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2 masked"
"""What stands in a log instead: "•••• masked"."""

WRAPS = (64, 76)
"""Characters in a line of base64: RFC 7468 (openssl), RFC 2045 (base64)."""

SHORTEST = 6
"""Bytes. A shorter value would blank out ordinary words, and its base64 could not be told from chance."""


class SecretMask:
    """Replaces all spellings of a set of secrets in raw output."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings: set[bytes] = set()
        for secret in secrets:
            spellings |= _spellings(secret.encode())
        # The longest first, so that a whole key is one mask instead of one a line.
        self._spellings = sorted(spellings, key=lambda found: (-len(found), found))
        joined = b"|".join(re.escape(found) for found in self._spellings)
        self._pattern = re.compile(joined) if joined else None

    def apply(self, raw: bytes) -> bytes:
        """``raw`` with every secret replaced."""
        return self._pattern.sub(MASK, raw) if self._pattern else raw

    def safe_end(self, raw: bytes, end: int) -> int:
        """The last place up to ``end`` at which ``raw`` may be cut without cutting a secret that might go on.

        ``raw[:result]`` ends before any text that is the beginning of a secret and reaches ``end``.
        """
        moved = True
        while moved:
            moved = False
            for spelling in self._spellings:
                start = _open_prefix(raw, end, spelling)
                if start < end:
                    end, moved = start, True
        return end


def _open_prefix(raw: bytes, end: int, spelling: bytes) -> int:
    """Where a secret begins that ``end`` would cut; ``end`` when none does."""
    first = max(0, end - len(spelling) + 1)
    for start in range(first, end):
        if raw[start] == spelling[0] and spelling.startswith(raw[start:end]):
            # Cut only if the text after the cut does not already contradict the secret.
            whole = raw[start : start + len(spelling)]
            if spelling.startswith(whole):
                return start
    return end


def _spellings(secret: bytes) -> set[bytes]:
    if len(secret) < SHORTEST:
        return set()
    text = secret.decode()
    found = {secret.strip()} | {spelled.strip().encode() for spelled in _escaped(text)}
    found |= {line.strip() for line in secret.splitlines()}
    for whole in (secret, secret + b"\n"):
        found |= _base64_spellings(whole)
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


def _escaped(text: str) -> set[str]:
    """As URLs, HTML and JSON write it; tools differ in what they leave as it is."""
    in_url = {quote(text, safe=""), quote(text), quote_plus(text), quote(text, safe="!#$&'()*+,/:;=?@")}
    lower = {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), spelled) for spelled in in_url}
    in_html = {escape(text), escape(text, quote=False), escape(text).replace("&#x27;", "&#39;")}
    in_json = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    # encoding/json of Go, and with it kubectl, helm and terraform, escapes these three as well.
    go = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})
    in_json |= {spelled.translate(go) for spelled in in_json}
    # PHP escapes the slash, and .NET writes the digits of an escape in capitals.
    in_json |= {spelled.replace("/", r"\/") for spelled in in_json}
    in_json |= {re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda found: found[0].upper(), spelled) for spelled in in_json}
    return in_url | lower | in_html | in_json


def _base64_spellings(secret: bytes) -> set[bytes]:
    """What of the secret's base64 is the same wherever in a longer text the secret stands."""
    found: set[bytes] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            encoded = encode(b"\0" * before + secret)
            start = (0, 2, 3)[before]  # characters that also depend on the bytes before
            stop = len(encoded) if (before + len(secret)) % 3 == 0 else len(encoded.rstrip(b"=")) - 1
            found.add(encoded[start:stop])
        found |= {line for width in WRAPS for line in wrapped(encode(secret), width)}
    return found


def wrapped(encoded: bytes, width: int) -> list[bytes]:
    """The lines in which a tool prints a long text."""
    return [encoded[at : at + width] for at in range(0, len(encoded), width)]
