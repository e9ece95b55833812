"""The difference of a revision as JSON: the same files and lines as the page, nothing left out."""

from __future__ import annotations

from typing import Any

from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.diffs.characters import plain
from apps.diffs.files import FileChange, FileFacts
from apps.diffs.shapes import file_json, to_json
from apps.presentation.diff_pages import file_patches, listing
from apps.presentation.diff_sides import Sides
from apps.presentation.revision_bar import comparison
from apps.vcs.paths import display

MAX_LINES = 100_000
"""Changed lines in one answer; a larger difference lists its files, to be asked for one by one with ``?path=``."""


def diff_document(change: ChangeRequest, sides: Sides | None, *, path: str) -> dict[str, Any]:
    """``{change, from, to, old_tree, new_tree, conflicts, comparison, complete, files: [{path, status, hunks…}]}``.

    ``complete`` is false when the lines were too many for one answer: then every file is
    listed without hunks (``hunks`` is null), and ``?path=`` gives them one at a time. Where white
    space is left out, ``hidden_lines`` says how many changed lines that hides, and nothing is approved from it.
    """
    if sides is None:
        empty: dict[str, Any] = {"change": change.number, "from": None, "to": None, "conflicts": [], "comparison": None}
        return {**empty, "complete": True, "files": []}
    found_list = listing(sides)
    files = list(found_list.files)
    if path:
        files = [found for found in files if path in _names(found)]
        if not files:
            raise NotVisible("unknown_file", f"This difference has no file {path}.")
    complete = bool(path) or sides.lines is None or sides.lines <= MAX_LINES
    return {
        "change": change.number,
        "from": sides.since.label if sides.since else "base",
        "to": sides.revision.label,
        "old_tree": sides.old,
        "new_tree": sides.new,
        "conflicts": sides.revision.conflicts,
        "comparison": _comparison(sides),
        "complete": complete,
        "whitespace": "ignored" if sides.ignore_space else "shown",
        "hidden_lines": sum(found_list.hidden.values()),
        "files": _with_hunks(sides, files) if complete else [{**file_json(found), "hunks": None} for found in files],
    }


def _names(found: FileChange) -> set[str]:
    """How a caller may name a file: by its id, by the path as an answer has it, or as a request for a thread has it."""
    return {found.id, *(write(path) for path in (found.path, found.old_path) for write in (plain, display))}


def _comparison(sides: Sides) -> dict[str, Any] | None:
    """What lies between two revisions, in numbers; ``None`` when the whole change is shown."""
    if sides.compared is None:
        return None
    found = comparison(sides.compared, None, upstream=sides.upstream)
    return {
        "shown": "upstream" if found.upstream else "author",
        "equal": found.equal,
        "upstream_files": found.edits.files,
        "upstream_edits": found.edits.edits,
        "not_separated": list(found.mixed),
        "nothing_separated": found.whole,
        "inputs_changed": list(found.inputs),
        "remarks": list(found.remarks),
    }


def _with_hunks(sides: Sides, files: list[FileChange]) -> list[dict[str, Any]]:
    patches = {found.id: patch for found, patch in file_patches(sides, files)}
    return [
        to_json(found, patches[found.id], _facts(sides, found))
        if found.id in patches
        else {**file_json(found), "hunks": None}
        for found in files
    ]


def _facts(sides: Sides, found: FileChange) -> FileFacts | None:
    return listing(sides).facts.get(found.id)
