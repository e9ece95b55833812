"""Commits for renderers: from a mapping of paths, or from a commit of a real repository."""

from __future__ import annotations

import hashlib
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from apps.rendering.protocol import EXECUTABLE, GITLINK, REGULAR, SYMLINK, Entry


class MemoryTree:
    """Text is dedented; a path that begins with ``@`` is a symbolic link, ``+`` an executable, ``=`` a gitlink."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.entry_of: dict[str, Entry] = {}
        self.blobs: dict[str, bytes] = {}
        for name, content in files.items():
            mode = {"@": SYMLINK, "+": EXECUTABLE, "=": GITLINK}.get(name[0], REGULAR)
            path = name if mode == REGULAR else name[1:]
            data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
            self.blobs[path] = data
            self.entry_of[path] = Entry(path, mode, hashlib.sha1(data).hexdigest(), len(data))

    def entries(self, under: str = ""):
        if under in self.entry_of:
            return [self.entry_of[under]]
        return [
            entry for path, entry in self.entry_of.items() if not under or path == under or path.startswith(f"{under}/")
        ]

    def read(self, path: str) -> bytes:
        return self.blobs[path]

    def changed(self, files: Mapping[str, str | bytes]) -> MemoryTree:
        made = MemoryTree(files)
        made.entry_of = {**self.entry_of, **made.entry_of}
        made.blobs = {**self.blobs, **made.blobs}
        return made


class CommitTree(MemoryTree):
    """One commit of a bare repository, read whole."""

    def __init__(self, directory: Path, commit: str) -> None:
        super().__init__({})
        listing = _git(directory, "ls-tree", "-r", "-z", "-l", commit).decode("utf-8", "surrogateescape")
        lines = [line for line in listing.split("\0") if line]
        for line in lines:
            facts, _, path = line.partition("\t")
            mode, _kind, oid, size = facts.split()
            self.entry_of[path] = Entry(path, int(mode, 8), oid, 0 if size == "-" else int(size))
        wanted = [entry for entry in self.entry_of.values() if entry.mode != GITLINK]
        data = _git(directory, "cat-file", "--batch", stdin="".join(f"{entry.oid}\n" for entry in wanted).encode())
        at = 0
        for entry in wanted:
            at = data.index(b"\n", at) + 1
            self.blobs[entry.path] = data[at : at + entry.size]
            at += entry.size + 1


def _git(directory: Path, *args: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", str(directory), *args], input=stdin, capture_output=True, check=True).stdout


def write(tree: MemoryTree, folder: Path) -> Path:
    """The files as a tool of their own finds them, for comparisons with what it prints."""
    for path, entry in tree.entry_of.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == SYMLINK:
            place.symlink_to(tree.blobs[path].decode())
        elif entry.mode != GITLINK:
            place.write_bytes(tree.blobs[path])
    return folder
