"""What a tool said, made fit for people: nothing of this machine, nothing that hides, not too much."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MOST = 4_000
GAP = "\n[…]\n"
"""Stands for what was left out of a long message; the lines beside it are cut anywhere."""
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]?|[@-Z\\^_]?)")
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_KEPT = {"\n", "\t"}
_WARNING = re.compile(r"\bwarn(?:ing)?\b", re.IGNORECASE)
_MOST_WARNINGS = 20


def clean_message(said: bytes | str, places: Iterable[str] = ()) -> str:
    """At most :data:`MOST` characters. ``places``: folders of this machine, whose names are taken out.

    Control, direction and other invisible characters and terminal sequences are removed. Of a long message the
    beginning and the end are kept: tools put the reason at either.
    """
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    for place in sorted({place.rstrip("/") for place in places} - {""}, key=len, reverse=True):
        text = text.replace(f"{place}/", "").replace(place, ".")
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    shown = "".join(each for each in text if each in _KEPT or unicodedata.category(each) not in _HIDDEN).strip()
    if len(shown) <= MOST:
        return shown
    half = (MOST - len(GAP)) // 2
    return shown[:half] + GAP + shown[-half:]


def warnings_in(said: bytes) -> tuple[str, ...]:
    """The lines of an error output that warn, for a run that ended well."""
    lines = (line.strip("# ") for line in clean_message(said).splitlines() if _WARNING.search(line))
    return tuple(dict.fromkeys(lines))[:_MOST_WARNINGS]
