"""One commit of a mirror as renderers want to read it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from apps.rendering.limits import DEFAULT_INPUT_LIMITS
from apps.rendering.model import Failure, RenderError
from apps.rendering.protocol import GITLINK, Entry
from apps.vcs import objects
from apps.vcs.errors import BlobTooLarge


class GitTree:
    """A tree of ``git_dir``, listed once; satisfies :class:`apps.rendering.protocol.Tree`."""

    def __init__(self, git_dir: Path, tree: str, *, max_blob: int = DEFAULT_INPUT_LIMITS.file_size) -> None:
        self.git_dir, self.oid = git_dir, tree
        self._max_blob = max_blob

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {
            found.path: Entry(found.path, int(found.mode, 8), found.oid, found.size or 0)
            for found in objects.list_tree(self.git_dir, self.oid)
        }

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self._entries)

    def entries(self, under: str = "") -> Iterable[Entry]:
        """Everything in this folder and below, or the one file of this name; nothing where there is nothing."""
        if not under:
            return self._entries.values()
        if under in self._entries:
            return (self._entries[under],)
        # "0" follows "/": what lies in the folder is between the two.
        first, last = (bisect_left(self._paths, f"{under}{end}") for end in "/0")
        return [self._entries[path] for path in self._paths[first:last]]

    def read(self, path: str) -> bytes:
        """The bytes of a file, of a symbolic link its target. Raises ``KeyError``; ``TOO_LARGE`` above the limit."""
        entry = self._entries[path]
        if entry.mode == GITLINK:
            raise KeyError(path)
        try:
            return objects.read_blob(self.git_dir, entry.oid, max_bytes=self._max_blob)
        except BlobTooLarge as error:
            raise RenderError(Failure.TOO_LARGE, str(error), path=path) from None
