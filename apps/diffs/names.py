"""Paths that are different for Git and the same elsewhere: ``App/values.yaml`` beside ``app/values.yaml`` (FEATURES C2).

Windows and macOS fold letter case, macOS the composition of characters too (NFD against NFC). A checkout there has one
file where Git has two, and an owner's rule for ``/app/`` does not speak of ``/App/``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def folded(path: str) -> str:
    """What two paths have in common that such a file system takes for one."""
    return (
        path.casefold()
        if path.isascii()
        else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def folded_alike(named: Iterable[str], present: Iterable[str]) -> list[tuple[str, str]]:
    """Of ``named``, those to which another path of ``present`` is the same when folded: pairs (named, the other).

    A folder counts like the files in it: ``App/new.yaml`` beside ``app/values.yaml`` gives ``("App/new.yaml", "app")``.
    ``present`` may contain the named paths themselves. Linear in both.
    """
    spellings: dict[str, set[str]] = {}
    for path in present:
        for prefix in _prefixes(path):
            spellings.setdefault(folded(prefix), set()).add(prefix)
    return [(path, other) for path in named if (other := _other(path, spellings))]


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


def _other(path: str, spellings: dict[str, set[str]]) -> str:
    for prefix in reversed(_prefixes(path)):
        others = spellings.get(folded(prefix), set()) - {prefix}
        if others:
            return min(others)
    return ""
