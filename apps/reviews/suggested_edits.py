"""What files look like with suggestions in them: each suggestion is carried from the lines it was written for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apps.core.errors import Conflict
from apps.diffs.carry import map_lines
from apps.reviews.models import Comment
from apps.reviews.places import lines_of
from apps.reviews.suggestions import Edit, apply_edits, check_disjoint, suggested_lines
from apps.vcs import objects, trees
from apps.vcs.errors import ObjectMissing
from apps.vcs.paths import display


def edited_files(git_dir: Path, head: str, comments: Sequence[Comment]) -> dict[str, bytes]:
    """Raw path → content at commit ``head`` with the suggestions of ``comments`` in it.

    :class:`Conflict` naming the suggestion when its lines are not in ``head`` as they were, or two when they overlap.
    """
    raw_paths: dict[str, str] = {}
    found: dict[str, tuple[bytes, list[Edit]]] = {}
    for comment in comments:
        path = comment.thread.path
        raw = raw_paths[path] = raw_paths.get(path) or _raw_path(git_dir, head, comment)
        # By the name that the file has now: one that was renamed meanwhile is written once, with the suggestions under both names.
        if raw not in found:
            found[raw] = (objects.read_file(git_dir, head, raw) or b"", [])
        content, edits = found[raw]
        edits.append(_edit(git_dir, comment, content))
    return {raw: apply_edits(content, check_disjoint(display(raw), edits)) for raw, (content, edits) in found.items()}


def _name(comment: Comment) -> str:
    return f"{comment.author.username}'s suggestion in thread {comment.thread.number}"


def _raw_path(git_dir: Path, head: str, comment: Comment) -> str:
    path = comment.thread.path
    entry = objects.entry_at(git_dir, head, path)
    if entry is None and "\\x" in path:  # a name that is no UTF-8 is stored as it is shown
        entry = next((one for one in objects.list_tree(git_dir, head) if display(one.path) == path), None)
    if entry is None:
        entry = _renamed(git_dir, head, comment)
    if entry is None or entry.type != "blob" or entry.is_symlink:
        raise Conflict("no_such_file", f"{_name(comment)} cannot be applied: the branch has no file {path} any more.")
    return entry.path


def _renamed(git_dir: Path, head: str, comment: Comment) -> objects.TreeEntry | None:
    revision = comment.thread.revision
    if revision is None:
        return None
    for change in trees.diff_trees(git_dir, revision.head_oid, head):
        if change.status == "R" and display(change.old_path) == comment.thread.path:
            return objects.entry_at(git_dir, head, change.new_path)
    return None


def _edit(git_dir: Path, comment: Comment, content: bytes) -> Edit:
    thread = comment.thread
    anchor = thread.anchor
    try:
        before = lines_of(objects.read_blob(git_dir, thread.blob))
    except ObjectMissing:
        before = []
    at = map_lines(before, lines_of(content)).range(anchor.start_line or 0, anchor.line or 0) if before else None
    if at is None:
        raise Conflict(
            "outdated_suggestion",
            f"{_name(comment)} cannot be applied: line {anchor.place.rpartition(':')[2]} of {thread.path} "
            "is not on the branch as it was when the suggestion was written.",
        )
    return Edit(at[0], at[1], tuple(suggested_lines(comment.body) or ()), _name(comment))
