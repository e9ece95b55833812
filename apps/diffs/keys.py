"""Keys of immutable fragments: equal key ⇒ equal bytes, in every process and for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from apps.diffs import DIFF_VERSION


def fragment_key(
    old_oid: str, new_oid: str, paths: Sequence[str], view: str, options: Mapping[str, object] | None = None
) -> str:
    """A key of 40 hex digits for one fragment: blobs, paths, view, options (window, modes, …) and our version.

    Paths count, because the language, the words and the anchors come from them.
    """
    facts = [DIFF_VERSION, old_oid, new_oid, list(paths), view, sorted((options or {}).items())]
    # ASCII JSON writes lone surrogates (bytes that are no UTF-8) as escapes, so every path has its own key.
    return hashlib.sha256(json.dumps(facts, ensure_ascii=True, default=str).encode("ascii")).hexdigest()[:40]


def etag(key: str) -> str:
    """The strong ETag of a fragment, quotes included."""
    return f'"{key}"'
