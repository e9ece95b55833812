"""The names by which the outside recognises one decision of this portal. Pure.

A key is 52 letters and digits of base32: SHA-256 over everything that makes the act what it is. The same act has the same key
for ever, also in a restored copy of the database; another act has another one, also if it got the same number there.
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


def binding(**facts: Any) -> str:
    """SHA-256 (hexadecimal) over named facts, whatever their order."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
