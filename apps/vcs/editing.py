"""One commit on top of another that changes the content of some files and nothing else, in a bare repository.

Trees are written from their own listing with one oid replaced, so modes, names and the order of entries stay byte by
byte what they were. No ref moves: who pushes the commit decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.core.errors import InvalidInput
from apps.vcs import gateway, merging
from apps.vcs.history import Signature
from apps.vcs.objects import TreeEntry, commit_tree_oid, list_tree
from apps.vcs.paths import encode, is_safe

Edits = Mapping[str, bytes]


def commit_edits(
    git_dir: Path, *, parent: str, files: Edits, message: str, author: Signature, committer: Signature
) -> str:
    """The oid of a commit on ``parent`` in which each path of ``files`` has this content.

    Each path must be a regular file there: its mode is kept. Equal input gives the equal commit.
    """
    tree = edited_tree(git_dir, commit_tree_oid(git_dir, parent), files)
    return merging.write_commit(
        git_dir, tree=tree, parents=[parent], message=message, author=author, committer=committer
    )


def edited_tree(git_dir: Path, tree: str, files: Edits) -> str:
    """The tree ``tree`` with the content of ``files`` replaced; :class:`InvalidInput` where one is no file."""
    if not files or not all(map(is_safe, files)):
        raise InvalidInput("bad_path", "This is not the path of a file in a repository.", field="path")
    by_folder: dict[str, dict[str, bytes]] = {}
    here: dict[str, bytes] = {}
    for path, content in files.items():
        folder, slash, rest = path.partition("/")
        if slash:
            by_folder.setdefault(folder, {})[rest] = content
        else:
            here[folder] = content
    entries = {entry.path: entry for entry in list_tree(git_dir, tree, recursive=False)}
    replaced: dict[str, str] = {}
    for folder, inside in by_folder.items():
        replaced[folder] = edited_tree(git_dir, _require(entries, folder, "tree").oid, inside)
    for name, content in here.items():
        _require(entries, name, "blob")
        replaced[name] = _write(git_dir, "blob", content)
    raw = b"".join(_raw(entry, replaced.get(entry.path, entry.oid)) for entry in entries.values())
    return _write(git_dir, "tree", raw)


def _require(entries: Mapping[str, TreeEntry], name: str, kind: str) -> TreeEntry:
    found = entries.get(name)
    if found is None or found.type != kind or found.is_symlink:
        raise InvalidInput("no_such_file", f"There is no file {name} to edit in this commit.", field="path")
    return found


def _raw(entry: TreeEntry, oid: str) -> bytes:
    # A tree holds modes in octal without leading zero (040000 of ls-tree is 40000 there): git-mktree(1).
    return entry.mode.lstrip("0").encode() + b" " + encode(entry.path) + b"\0" + bytes.fromhex(oid)


def _write(git_dir: Path, kind: str, content: bytes) -> str:
    return gateway.run(git_dir, "hash-object", [f"-t{kind}", "-w", "--stdin"], stdin=content).decode().strip()
