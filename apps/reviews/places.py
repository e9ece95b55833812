"""Where a thread stands in Git: the trees of a revision, and the lines that somebody commented on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.changes.models import ChangeRequest, Revision
from apps.core.errors import InvalidInput
from apps.core.text import visible
from apps.reviews.anchors import Anchor, Scope, lines_in_words
from apps.reviews.content import files_of
from apps.vcs import objects, trees
from apps.vcs.errors import BlobTooLarge
from apps.vcs.gateway import ZERO_OID
from apps.vcs.paths import display

SNIPPET_LINES = 40
SNIPPET_CHARS = 300  # of one line
NOT_CHANGED = "This file is not part of the change. Comment on the change instead."
LINED = frozenset({"100", "120"})  # modes of files and symlinks


@dataclass(frozen=True, slots=True)
class Found:
    """The file on the side of an anchor: its blob and the first lines of the range, as text that can be stored."""

    blob: str = ""
    snippet: str = ""


def trees_of(git_dir: Path, revision: Revision) -> tuple[str, str]:
    """What the page of ``revision`` compares: target and merge result; of a conflict, merge base and head."""
    if revision.result_tree:
        return objects.commit_tree_oid(git_dir, revision.target_oid), revision.result_tree
    base = revision.merge_bases[0] if revision.merge_bases else revision.target_oid
    return objects.commit_tree_oid(git_dir, base), objects.commit_tree_oid(git_dir, revision.head_oid)


def path_of(change: ChangeRequest, number: int | None, file: str, side: str) -> str:
    """The path, on one side, of the file with this id in revision ``number`` (default: the present one).

    A page shows a path with tokens for what nobody sees, and a moved file with both its names: a form names the file by
    id instead. :class:`InvalidInput` when the revision has no such file.
    """
    revision = change.revision if number is None else change.revisions.filter(number=number).first()
    files = files_of(change, revision) if revision else ()
    found = next((one for one in files if one.id == file), None)
    if found is None:
        raise InvalidInput("unknown_path", NOT_CHANGED, field="path")
    return display(found.old_path if side == "old" else found.path)


def find_lines(change: ChangeRequest, revision: Revision, anchor: Anchor) -> Found:
    """The lines of ``anchor`` in ``revision``; :class:`InvalidInput` when the file or the line is not there."""
    git_dir = change.repository.mirror_path
    sides = _sides(trees.diff_trees(git_dir, *trees_of(git_dir, revision)))
    if not any(anchor.path in files for files in sides.values()):
        raise InvalidInput("unknown_path", NOT_CHANGED, field="path")
    blob = sides[anchor.side].get(anchor.path, "")
    if anchor.scope != Scope.LINE:
        return Found(blob)
    if not blob:
        when = "before" if anchor.side == "old" else "after"
        raise InvalidInput(
            "bad_side", f"{anchor.path} has no lines {when} this change; choose the other side.", field="side"
        )
    return Found(blob, _snippet(git_dir, blob, anchor))


def _sides(changes: list[trees.TreeChange]) -> dict[str, dict[str, str]]:
    """Per side: displayed path → blob; empty for what has no lines (a submodule)."""
    sides: dict[str, dict[str, str]] = {"old": {}, "new": {}}
    for change in changes:
        if change.old_oid != ZERO_OID:
            sides["old"][display(change.old_path)] = change.old_oid if change.old_mode[:3] in LINED else ""
        if change.new_oid != ZERO_OID:
            sides["new"][display(change.new_path)] = change.new_oid if change.new_mode[:3] in LINED else ""
    return sides


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a file as Git counts them, each without its line feed."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _snippet(git_dir: Path, blob: str, anchor: Anchor) -> str:
    try:
        lines = lines_of(objects.read_blob(git_dir, blob))
    except BlobTooLarge:
        return ""
    first, last = anchor.start_line or 1, anchor.line or 1
    if last > len(lines):
        raise InvalidInput(
            "bad_line",
            f"{anchor.path} has {len(lines):,} lines on this side, so there is no {lines_in_words(first, last)}.",
            field="line",
        )
    return as_snippet(lines[first - 1 : last])


def as_snippet(lines: list[bytes]) -> str:
    """The first lines of a range as text for people, bounded in both directions."""
    shown = [_shown(line) for line in lines[:SNIPPET_LINES]]
    left = len(lines) - len(shown)
    return "\n".join([*shown, *([f"… {left} more"] if left else [])])


def _shown(line: bytes) -> str:
    text = visible(display(line.decode("utf-8", "surrogateescape")))
    return text if len(text) <= SNIPPET_CHARS else f"{text[:SNIPPET_CHARS]}…"
