"""Blobs, trees and the types of objects of one mirror, by full object id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from apps.vcs import gateway
from apps.vcs.conversation import Conversation
from apps.vcs.errors import BlobTooLarge, CommandRefused, GitFailed, GitOutputTooLarge, ObjectMissing
from apps.vcs.limits import DEFAULT_LIMITS
from apps.vcs.paths import decode, encode, is_safe
from apps.vcs.pool import DEFAULT_POOL
from apps.vcs.processes import TooMuchError

OID = re.compile(r"[0-9a-f]{40}")
HEADER_BYTES = 16_384
INFO_PARTS = 3


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree. ``mode`` has six digits; ``size`` is None for trees and gitlinks."""

    path: str
    mode: str
    type: str
    oid: str
    size: int | None

    @property
    def is_symlink(self) -> bool:
        return self.mode == "120000"

    @property
    def is_gitlink(self) -> bool:
        return self.mode == "160000"


@dataclass(frozen=True, slots=True)
class BlobHead:
    """The first bytes of a blob and its whole ``size``; ``is_truncated`` says if there is more."""

    data: bytes
    size: int

    @property
    def is_truncated(self) -> bool:
        return len(self.data) < self.size


def require_oid(oid: str) -> str:
    """``oid`` itself when it is a full lower-case object id; abbreviations never reach Git."""
    if OID.fullmatch(oid) is None:
        raise CommandRefused("Only full object ids are passed to Git.")
    return oid


def _info(conversation: Conversation, name: bytes) -> tuple[str, str, int] | None:
    # The answer is "<oid> SP <type> SP <size>", or "<name> missing" (also "ambiguous", "dangling").
    conversation.send(b"info " + name + b"\0")
    parts = conversation.read_line(HEADER_BYTES).split(b" ")
    if len(parts) != INFO_PARTS or not parts[-1].isdigit():
        return None
    return parts[0].decode(), parts[1].decode(), int(parts[2])


def _find(git_dir: Path, name: bytes) -> tuple[str, str, int] | None:
    return DEFAULT_POOL.ask(git_dir, "objects", lambda conversation: _info(conversation, name))


def object_type(git_dir: Path, oid: str) -> str | None:
    """``blob``, ``tree``, ``commit`` or ``tag``; None when the mirror has no such object."""
    found = _find(git_dir, require_oid(oid).encode())
    return found[1] if found else None


def is_sound(git_dir: Path) -> bool:
    """Whether every object is there and whole, read one by one; also where that takes too long to be told."""
    try:
        gateway.run(git_dir, "fsck", ["--no-dangling", "--no-progress"], timeout=DEFAULT_LIMITS.fetch_seconds)
    except GitFailed as error:
        return error.code == "git_timeout"
    return True


def is_connected(git_dir: Path) -> bool:
    """Whether all that refs lead to is there, also while others write. :class:`GitFailed` where Git cannot be run.

    ``git fsck --connectivity-only`` lists the objects before the refs, so a ref that is made meanwhile leads to what it takes
    for missing; ``rev-list`` takes the refs first and looks for each object when it comes to it.
    """
    done = gateway.call(git_dir, "rev-list", ["--objects", "--all", "--quiet"])
    return done.code == 0 and b"ignoring broken ref" not in done.stderr


def has_commit(git_dir: Path, oid: str) -> bool:
    """True when the mirror has this commit."""
    return object_type(git_dir, oid) == "commit"


@lru_cache(maxsize=8_192)
def commit_tree_oid(git_dir: Path, commit: str) -> str:
    """The root tree of a commit (a tree is its own); :class:`ObjectMissing` otherwise.

    Remembered, because it can never change; that the objects are still there is seen when they are read.
    """
    found = _find(git_dir, f"{require_oid(commit)}^{{tree}}".encode())
    if found is None or found[1] != "tree":
        raise ObjectMissing(commit, "commit")
    return found[0]


def blob_size(git_dir: Path, oid: str) -> int:
    """The size of a blob in bytes."""
    found = _find(git_dir, require_oid(oid).encode())
    if found is None or found[1] != "blob":
        raise ObjectMissing(oid, "file content")
    return found[2]


def read_blob(git_dir: Path, oid: str, *, max_bytes: int = DEFAULT_LIMITS.blob_bytes) -> bytes:
    """The whole content of a blob. :class:`BlobTooLarge` (nothing is read) above ``max_bytes``."""
    name = require_oid(oid).encode()

    def question(conversation: Conversation) -> bytes | int:
        found = _info(conversation, name)
        if found is None or found[1] != "blob":
            raise ObjectMissing(oid, "file content")
        if found[2] > max_bytes:
            return found[2]
        conversation.send(b"contents " + name + b"\0")
        conversation.read_line(HEADER_BYTES)
        return conversation.read_exactly(found[2] + 1)[:-1]

    answer = DEFAULT_POOL.ask(git_dir, "objects", question)
    if isinstance(answer, int):
        raise BlobTooLarge(oid, answer, max_bytes)
    return answer


def read_blob_head(git_dir: Path, oid: str, *, max_bytes: int) -> BlobHead:
    """At most ``max_bytes`` from the start of a blob of any size, without holding the rest."""
    size = blob_size(git_dir, oid)
    if size <= max_bytes:
        return BlobHead(read_blob(git_dir, oid, max_bytes=max_bytes), size)
    try:
        data = gateway.run(git_dir, "cat-file", ["blob", oid], max_output=max_bytes)
    except GitOutputTooLarge as error:
        cause = error.__cause__
        data = cause.data if isinstance(cause, TooMuchError) else b""
    return BlobHead(data, size)


def entry_at(git_dir: Path, commit_or_tree: str, path: str) -> TreeEntry | None:
    """The entry at ``path`` (file, symlink, folder or gitlink), or None when there is none."""
    return entries_at(git_dir, commit_or_tree, (path,)).get(path)


def entries_at(git_dir: Path, commit_or_tree: str, paths: Sequence[str]) -> dict[str, TreeEntry]:
    """Path → what :func:`entry_at` says of it, by one Git process for all; what is not there is left out."""
    asked = [path for path in paths if is_safe(path)]
    if not asked:
        return {}
    # -t: a folder is told also where something in it is asked for
    return {
        entry.path: entry
        for entry in _ls_tree(git_dir, commit_or_tree, ["-z", "-l", "-t"], asked)
        if entry.path in asked
    }


def read_file(
    git_dir: Path,
    commit_or_tree: str,
    path: str,
    *,
    max_bytes: int = DEFAULT_LIMITS.blob_bytes,
) -> bytes | None:
    """The content of the file at ``path``; None when there is no file there.

    A symlink is not followed: its content is the text of its target (:func:`entry_at` tells which it
    is). Raises :class:`BlobTooLarge` above ``max_bytes``, :class:`ObjectMissing` for the commit.
    """
    if not is_safe(path):
        return None
    oid = _blob_at(git_dir, commit_or_tree, path)
    if oid is None:
        commit_tree_oid(git_dir, commit_or_tree)  # a missing commit is not "no such file"
        return None
    return read_blob(git_dir, oid, max_bytes=max_bytes)


def _blob_at(git_dir: Path, commit_or_tree: str, path: str) -> str | None:
    if "\n" in path:  # cat-file would echo it over two lines when it is missing
        entry = entry_at(git_dir, commit_or_tree, path)
        return entry.oid if entry and entry.type == "blob" else None
    found = _find(git_dir, require_oid(commit_or_tree).encode() + b":" + encode(path))
    return found[0] if found and found[1] == "blob" else None


def list_tree(git_dir: Path, tree_or_commit: str, *, under: str = "", recursive: bool = True) -> list[TreeEntry]:
    """All files, symlinks and gitlinks (with ``recursive=False``: also folders, one level).

    ``under`` limits to one folder; paths stay relative to the root.
    """
    if under and not is_safe(under):
        return []
    flags = ["-z", "-l", *(["-r"] if recursive else [])]
    return _ls_tree(git_dir, tree_or_commit, flags, [f"{under}/"] if under else [])


def list_paths(git_dir: Path, tree_or_commit: str) -> list[str]:
    """The paths of all files, symlinks and gitlinks, without a look at what they are."""
    raw = gateway.run(git_dir, "ls-tree", ["-r", "-z", commit_tree_oid(git_dir, tree_or_commit)])
    return [decode(record.partition(b"\t")[2]) for record in raw.split(b"\0") if record]


def _ls_tree(git_dir: Path, tree: str, flags: list[str], paths: Sequence[str]) -> list[TreeEntry]:
    oid = commit_tree_oid(git_dir, tree)
    raw = gateway.run(git_dir, "ls-tree", [*flags, oid, *(["--", *paths] if paths else [])])
    return [_entry(record) for record in raw.split(b"\0") if record]


def _entry(record: bytes) -> TreeEntry:
    # Format of git-ls-tree(1) with -l -z: mode, type, oid and size or "-", blanks between; TAB; path.
    facts, _, path = record.partition(b"\t")
    mode, kind, oid, size = facts.decode().split()
    if size != "-" and not size.isdigit():  # Git says BAD where it cannot read the object, and ends well
        message = (
            f"Object {oid[:12]} is missing or damaged in the portal's copy of this repository. "
            "Ask an administrator to connect the repository anew."
        )
        raise GitFailed(message, code="object_damaged")
    return TreeEntry(decode(path), mode, kind, oid, int(size) if size != "-" else None)
