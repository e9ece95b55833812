"""Keys of immutable fragments: equal key ⇒ equal bytes, in every process and for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from apps.diffs import DIFF_VERSION


def fragment_key(
    old_oid: str, new_oid: str, paths: Sequence[str], view: str, options: Mapping[str, object] | None = None
) -> str:
    """A key of 40 hex digits for one fragment: blobs, paths, view, options (window, modes, …) and our version.

    Paths count, because the language, the words and the anchors come from them.
    """
    # Each part with its length, so that no two lists of parts read alike; lone surrogates are bytes of odd paths.
    facts = [str(DIFF_VERSION), old_oid, new_oid, view, str(len(paths)), *paths]
    for name, value in sorted((options or {}).items()):
        facts += [name, str(value)]
    text = "".join([f"{len(fact)}:{fact}" for fact in facts])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def etag(key: str) -> str:
    """The strong ETag of a fragment, quotes included."""
    return f'"{key}"'
