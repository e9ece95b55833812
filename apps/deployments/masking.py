"""Secrets never reach a log: every spelling of them that tools print is replaced. Pure.

Masked are the value, each of its lines when it has several, and its base64 (at all three
alignments inside a longer text, standard and URL-safe), percent-encoded and JSON-escaped forms.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = b"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2 masked"
"""What stands in a log instead: "•••• masked"."""

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
    found = {secret.strip(), quote(text, safe="").encode(), json.dumps(text)[1:-1].encode()}
    found |= {line.strip() for line in secret.splitlines()}
    for whole in (secret, secret + b"\n"):
        found |= _base64_spellings(whole)
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


def _base64_spellings(secret: bytes) -> set[bytes]:
    """What of the secret's base64 is the same wherever in a longer text the secret stands."""
    found: set[bytes] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            encoded = encode(b"\0" * before + secret)
            start = (0, 2, 3)[before]  # characters that also depend on the bytes before
            stop = len(encoded) if (before + len(secret)) % 3 == 0 else len(encoded.rstrip(b"=")) - 1
            found.add(encoded[start:stop])
        found |= set(wrapped(encode(secret)))
    return found


def wrapped(encoded: bytes) -> list[bytes]:
    """The lines in which ``base64`` prints a long text (RFC 2045: 76 characters)."""
    return [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
