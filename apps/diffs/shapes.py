"""JSON shapes of the API: ``GET /api/v1/changes/{number}/diff/``. Texts are exact but for bytes that are no UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from apps.diffs import lookalikes
from apps.diffs.characters import plain, token
from apps.diffs.files import FileChange, FileFacts, describe
from apps.diffs.parse import Hunk, MalformedDiff, hunks
from apps.diffs.rows import unified

_SURROGATE = re.compile("[\ud800-\udfff]")


def exact(text: str) -> str:
    """Text that can be sent as UTF-8: only bytes that are none become tokens; invisible characters stay."""
    return text if text.isascii() else _SURROGATE.sub(lambda match: token(match.group()), text)


def hunk_json(hunk: Hunk) -> dict[str, Any]:
    """``{header, section, old_start, old_count, new_start, new_count, lines}``; see ``line_json``."""
    return {
        "header": hunk.header, "section": exact(hunk.section),
        "old_start": hunk.old_start, "old_count": hunk.old_count,
        "new_start": hunk.new_start, "new_count": hunk.new_count,
        "lines": list(_lines(hunk)),
    }  # fmt: skip


def _lines(hunk: Hunk) -> Iterable[dict[str, Any]]:
    """``{kind: context|removed|added, old: number|null, new: number|null, text}``; ``no_newline: true`` where it holds."""
    old_cut, new_cut = _cut_numbers(hunk)
    for row in unified(hunk):
        text = row.old_text if row.kind == "removed" else row.new_text
        line: dict[str, Any] = {"kind": row.kind, "old": row.old or None, "new": row.new or None, "text": exact(text)}
        if (row.kind != "added" and row.old == old_cut) or (row.kind != "removed" and row.new == new_cut):
            line["no_newline"] = True
        yield line


def _cut_numbers(hunk: Hunk) -> tuple[int, int]:
    """The old and the new line number without a newline at the end of the file; -1 for none."""
    old = hunk.old_start + hunk.old_count - 1 if hunk.old_cut else -1
    new = hunk.new_start + hunk.new_count - 1 if hunk.new_cut else -1
    return old, new


def file_json(change: FileChange, facts: FileFacts | None = None) -> dict[str, Any]:
    """One entry of the file list; ``path`` is for people (tokens for what cannot be shown), ``id`` for requests."""
    shape: dict[str, Any] = {
        "id": change.id, "status": change.status_word, "path": plain(change.path),
        "old_path": plain(change.old_path) if change.status != "A" else None,
        "new_path": plain(change.new_path) if change.status != "D" else None,
        "old_mode": change.old_mode, "new_mode": change.new_mode, "old_oid": change.old_oid, "new_oid": change.new_oid,
        "similarity": change.similarity,
    }  # fmt: skip
    if facts is not None:
        shape |= {
            "kind": facts.kind, "added": facts.added, "removed": facts.removed, "words": list(facts.words),
            "hidden_characters": dict(facts.hidden),
            "lookalike_characters": {lookalikes.name(char): number for char, number in facts.lookalikes},
            "utf8": facts.clean,
        }  # fmt: skip
    return shape


def to_json(change: FileChange, patch: bytes, facts: FileFacts | None = None) -> dict[str, Any]:
    """``file_json`` with ``hunks``; ``problem`` is a sentence when the patch could not be read, else ``None``."""
    shape = file_json(change, facts or describe(change, patch))
    try:
        shape |= {"hunks": [hunk_json(hunk) for hunk in hunks(patch)], "problem": None}
    except MalformedDiff as error:
        shape |= {"hunks": [], "problem": error.message}
    return shape
