"""Differences of two trees, as ``git diff -M`` sees them.

Always tree to tree (RELIABILITY finding 2). Trees or commits may be given, always by full oid; the
empty tree (:data:`apps.vcs.gateway.EMPTY_TREE`) stands for "nothing yet".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import InvalidInput
from apps.vcs import gateway, pool
from apps.vcs.errors import GitOutputTooLarge
from apps.vcs.gateway import ZERO_OID
from apps.vcs.objects import commit_tree_oid
from apps.vcs.paths import decode, encode, is_safe

NO_MODE = "000000"
PATCH_FLAGS = ("-r", "-M", "-p", "--no-color", "--no-textconv", "--no-ext-diff",
               "--ignore-submodules=none")  # fmt: skip


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One changed path. ``status`` is A, M, D, R, C or T; ``similarity`` in percent for R and C.

    Both paths are always set (equal unless R or C); an absent side has mode ``000000`` and a zero oid.
    """

    status: str
    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    old_oid: str
    new_oid: str
    similarity: int | None = None

    @property
    def path(self) -> str:
        return self.old_path if self.status == "D" else self.new_path


@dataclass(frozen=True, slots=True)
class FileStat:
    """Lines added and deleted in one file; both None for a binary one."""

    old_path: str
    new_path: str
    added: int | None
    deleted: int | None

    @property
    def is_binary(self) -> bool:
        return self.added is None


@dataclass(frozen=True, slots=True)
class Edits:
    """``edits`` are hunks of three lines of context; a file without hunks (binary, mode, rename) is one edit.

    ``paths`` has both names of a rename, sorted. ``counted`` is false when there are too many to read them: then
    ``edits`` is the number of files.
    """

    files: int = 0
    edits: int = 0
    paths: tuple[str, ...] = ()
    counted: bool = True


def diff_trees(git_dir: Path, old_tree: str, new_tree: str) -> list[TreeChange]:
    """All changed paths in Git's order, with renames found as ``git diff -M`` does."""
    raw = pool.diff(git_dir, "raw", *_trees(git_dir, old_tree, new_tree))
    fields = iter(raw.split(b"\0"))
    return [_change(facts, fields) for facts in fields if facts]


def _change(facts: bytes, fields: Iterable[bytes]) -> TreeChange:
    # ":<old mode> <new mode> <old oid> <new oid> <status>[<score>]" NUL path [NUL path] NUL
    old_mode, new_mode, old_oid, new_oid, status = facts.decode().removeprefix(":").split(" ")
    rest = iter(fields)
    old_path = decode(next(rest))
    new_path = decode(next(rest)) if status[0] in "RC" else old_path
    similarity = int(status[1:]) if status[1:] else None
    return TreeChange(status[0], old_path, new_path, old_mode, new_mode, old_oid, new_oid, similarity)


def numstat(git_dir: Path, old: str, new: str) -> list[FileStat]:
    """Added and deleted lines per file, in the order of :func:`diff_trees`."""
    raw = pool.diff(git_dir, "numstat", *_trees(git_dir, old, new))
    fields = iter(raw.split(b"\0"))
    return [_stat(facts, fields) for facts in fields if facts]


def _stat(facts: bytes, fields: Iterable[bytes]) -> FileStat:
    # "<added> TAB <deleted> TAB <path>" NUL, for renames "… TAB" NUL old NUL new NUL
    added, deleted, path = facts.split(b"\t", 2)
    rest = iter(fields)
    old_path = decode(path) if path else decode(next(rest))
    new_path = old_path if path else decode(next(rest))
    binary = added == b"-"
    return FileStat(old_path, new_path, None if binary else int(added), None if binary else int(deleted))


def patch(
    git_dir: Path,
    old_tree: str,
    new_tree: str,
    *,
    path: str | Sequence[str] | None = None,
    full_index: bool = False,
    context: int | None = None,
    text: bool = False,
    ignore_space: bool = False,
) -> bytes:
    """The bytes that ``git diff -M old new`` prints.

    ``path``: only this file; for a rename give both of its paths. ``context``: lines around a change
    (Git's default is 3). ``text``: print binary files as text too. ``ignore_space``: lines that differ only in
    white space count as equal and blank lines do not count; files without another change are left out, and
    object ids are printed in full.
    """
    old, new = _trees(git_dir, old_tree, new_tree)
    if path is None and context is None and not text:
        kind = "patch-no-space" if ignore_space else "patch-full" if full_index else "patch"
        return pool.diff(git_dir, kind, old, new)
    flags = [*PATCH_FLAGS, *(["--full-index"] if full_index or ignore_space else []), *(["--text"] if text else [])]
    if ignore_space:
        flags += pool.IGNORE_SPACE
    if context is not None:
        flags.append(f"-U{int(context)}")
    paths = [path] if isinstance(path, str) else list(path or ())
    if not all(map(is_safe, paths)):
        raise InvalidInput("bad_path", "This is not the path of a file in a repository.", field="path")
    return gateway.run(git_dir, "diff-tree", [*flags, old, new, *(["--", *paths] if paths else [])])


def count_edits(git_dir: Path, old: str, new: str) -> Edits:
    """How many edits lie between two trees, however large the difference is."""
    changes = diff_trees(git_dir, old, new)
    paths = tuple(sorted({path for change in changes for path in (change.old_path, change.new_path)}))
    try:
        parts = patch(git_dir, old, new).split(b"\ndiff --git ")
    except GitOutputTooLarge:
        return Edits(len(changes), len(changes), paths, counted=False)
    return Edits(len(changes), sum(max(part.count(b"\n@@ "), 1) for part in parts), paths)


def difference(git_dir: Path, old_tree: str, new_tree: str) -> bytes:
    """The file list and the patch in one answer, as ``git diff-tree -r -M --raw -p -z --full-index`` prints them.

    For a difference that is small enough to be read whole: one question instead of two.
    """
    answer = pool.diff(git_dir, "difference", *_trees(git_dir, old_tree, new_tree))
    # The line that ends the answer is set off by an empty line of its own.
    return answer.removesuffix(b"\n") + b"\n" if answer else answer


def effect_digest(changes: Iterable[TreeChange]) -> str:
    """SHA-256 (hex) of what a difference does, whatever was guessed about renames.

    Per path, sorted by bytes: length and bytes of the path, old mode, old oid, new mode, new oid
    (RELIABILITY §3.1, with Git's object ids for the contents). A rename counts as the removal of one
    path and the addition of another.
    """
    digest = hashlib.sha256(b"portal effect v1\n")
    for path, sides in sorted(_sides(changes)):
        digest.update(b"%d:%s %s\n" % (len(path), path, " ".join(sides).encode()))
    return digest.hexdigest()


def _sides(changes: Iterable[TreeChange]) -> Iterable[tuple[bytes, tuple[str, str, str, str]]]:
    for change in changes:
        old, new = (change.old_mode, change.old_oid), (change.new_mode, change.new_oid)
        if change.status == "R":
            yield encode(change.old_path), (*old, NO_MODE, ZERO_OID)
        if change.status in "RC":
            yield encode(change.new_path), (NO_MODE, ZERO_OID, *new)
        else:
            yield encode(change.new_path), (*old, *new)


def _trees(git_dir: Path, old: str, new: str) -> tuple[str, str]:
    return commit_tree_oid(git_dir, old), commit_tree_oid(git_dir, new)
