"""The names by which the outside recognises one decision of this portal. Pure.

A key is 52 letters and digits of base32: SHA-256 over everything that makes the act what it is. The same act has the same key
for ever, also in a restored copy of the database; another act has another one, also if it got the same number there.

The key of a run is known to nobody but the portal and the system that it goes to: by it a run is known as ours. What others can
read, such as a ref or a tag, is named by :func:`public_name`, and nothing that others can read leads to the key.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b32encode
from typing import Any

LENGTH = 52
MERGE = "merge"


def dispatch_key(*, portal: str, change: int, place: str, binding: str, kind: str, count: int) -> str:
    """``place`` is an environment or :data:`MERGE`; ``binding`` a digest of the content; ``count`` tells repeats apart."""
    text = "|".join([portal, str(change), place, binding, kind, str(count)])
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=").lower()


def public_name(secret: str) -> str:
    """The name in public of a key, or of a portal: says nothing of it, and is the same for ever. 52 letters and digits."""
    return b32encode(hashlib.sha256(f"public|{secret}".encode()).digest()).decode().rstrip("=").lower()


def binding(**facts: Any) -> str:
    """SHA-256 (hexadecimal) over named facts, whatever their order."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
