"""Merges without a work tree, and commits written by the portal.

``git merge-tree --write-tree`` merges in the object store of a bare mirror: no attribute, merge driver
or hook of the content acts (RELIABILITY §2.5 case 9), and several merge bases are merged first as
``git merge`` does.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import Conflict, InvalidInput
from apps.vcs import gateway
from apps.vcs.errors import ObjectMissing
from apps.vcs.history import Signature, merge_bases
from apps.vcs.objects import commit_tree_oid, object_type
from apps.vcs.paths import decode, encode, is_encodable

PASSING = gateway.Transport(config=("core.fsync=none",))
"""For objects that no ref will name: they can be made again, so nobody waits for the disk."""
SYNTHETIC = Signature("portal", "portal@localhost", datetime(2000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class MergeResult:
    """``tree`` is None when there are conflicts; then ``conflicts`` names the paths, sorted.

    ``bases`` are the merge bases that were used: more than one means a criss-cross history, a fact
    that reviewers must see (RELIABILITY §2.5 case 6).
    """

    tree: str | None
    conflicts: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.tree is not None


def merge(git_dir: Path, ours: str, theirs: str) -> MergeResult:
    """The tree of merging commit ``theirs`` into commit ``ours``.

    :class:`Conflict` ``unrelated_histories`` when they have no common ancestor.
    """
    bases = merge_bases(git_dir, ours, theirs)
    if not bases:
        message = (
            "The two branches have no common commit, so there is nothing to merge on. "
            "The author can rebase the branch onto the target branch and push it again."
        )
        raise Conflict("unrelated_histories", message, ours=ours, theirs=theirs)
    done = gateway.call(git_dir, "merge-tree", ["--write-tree", "-z", "--name-only", "--no-messages", ours, theirs])
    if done.code not in {0, 1}:
        raise gateway.failed("merge-tree", done)
    # tree NUL [conflicted path NUL]… (git-merge-tree(1), -z --name-only --no-messages)
    tree, *paths = [field for field in done.stdout.split(b"\0") if field]
    if done.code == 0:
        return MergeResult(tree.decode(), (), bases)
    return MergeResult(None, tuple(sorted({decode(path) for path in paths})), bases)


def merge_trees(git_dir: Path, base_tree: str, ours_tree: str, theirs_tree: str) -> MergeResult:
    """The three-way merge of trees: changes base → theirs applied onto ours."""
    result = merge(git_dir, *stand_ins(git_dir, base_tree, ours_tree, theirs_tree))
    return MergeResult(result.tree, result.conflicts)


def stand_ins(git_dir: Path, base_tree: str, ours_tree: str, theirs_tree: str) -> tuple[str, str]:
    """Two commits, ours and theirs, on a common one: Git 2.39 has no ``merge-tree --merge-base``. No ref names them.

    They are written by one process, in a pack that Git takes apart (gitformat-pack(5)), and only where they are missing.
    """
    made: dict[str, bytes] = {}

    def stand_in(tree: str, parents: Sequence[str]) -> str:
        raw = _raw_commit(commit_tree_oid(git_dir, tree), parents, "stand-in", SYNTHETIC, SYNTHETIC)
        oid = hashlib.sha1(b"commit %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
        made[oid] = raw
        return oid

    base = stand_in(base_tree, ())
    ours, theirs = stand_in(ours_tree, (base,)), stand_in(theirs_tree, (base,))
    missing = [raw for oid, raw in made.items() if object_type(git_dir, oid) is None]
    if missing:
        done = gateway.call(git_dir, "unpack-objects", ["-q"], stdin=_pack_of_commits(missing), transport=PASSING)
        if done.code != 0:
            raise gateway.failed("unpack-objects", done)
    return ours, theirs


def _pack_of_commits(commits: Sequence[bytes]) -> bytes:
    pack = bytearray(b"PACK" + struct.pack(">II", 2, len(commits)))
    for raw in commits:
        size, kind = len(raw), 1  # OBJ_COMMIT; four bits of the size stand beside it, seven in each byte that follows
        head, size = (kind << 4) | (size & 15), size >> 4
        while size:
            pack.append(head | 128)
            head, size = size & 127, size >> 7
        pack.append(head)
        pack += zlib.compress(raw)
    return bytes(pack) + hashlib.sha1(pack, usedforsecurity=False).digest()


def write_commit(
    git_dir: Path,
    *,
    tree: str,
    parents: Sequence[str],
    message: str,
    author: Signature,
    committer: Signature,
) -> str:
    """Write a commit object and return its oid; equal input gives the equal oid. No ref moves.

    :class:`ObjectMissing` unless the tree and all parents are there.
    """
    if object_type(git_dir, tree) != "tree":
        raise ObjectMissing(tree, "tree")
    for parent in parents:
        if object_type(git_dir, parent) != "commit":
            raise ObjectMissing(parent, "commit")
    if "\0" in message or not is_encodable(message):
        raise InvalidInput("bad_message", "A commit message cannot contain NUL bytes or broken characters.")
    raw = _raw_commit(tree, parents, message, author, committer)
    return gateway.run(git_dir, "hash-object", ["-tcommit", "-w", "--stdin"], stdin=raw).decode().strip()


def write_blob(git_dir: Path, content: bytes) -> str:
    """Write a blob and return its oid. No ref moves."""
    return gateway.run(git_dir, "hash-object", ["-tblob", "-w", "--stdin"], stdin=content).decode().strip()


def _raw_commit(tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature) -> bytes:
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {_person(author)}", f"committer {_person(committer)}"]
    text = message if message.endswith("\n") else message + "\n"
    return encode("\n".join(lines) + "\n\n" + text)


def _person(who: Signature) -> str:
    # git-commit-tree(1): "name <email> seconds zone"; what would break the line is dropped.
    if who.at.tzinfo is None:
        raise InvalidInput("naive_time", "A commit needs a moment with its time zone.")
    name = _clean(who.name) or "unknown"
    return f"{name} <{_clean(who.email)}> {int(who.at.timestamp())} {who.at.strftime('%z')[:5]}"


def _clean(text: str) -> str:
    kept = text if is_encodable(text) else text.encode("utf-8", "replace").decode()
    return "".join(char for char in kept if char not in "<>\n\r\0").strip(" .,:;\"'\\")
