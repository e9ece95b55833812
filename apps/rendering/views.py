"""Trees made from trees: with a file more, or a part of a commit under other names. Nothing is copied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from apps.rendering.paths import below
from apps.rendering.protocol import REGULAR, Entry, Tree


class WithFiles:
    """A tree in which these files stand in place of what it has there."""

    def __init__(self, tree: Tree, files: Mapping[str, bytes]) -> None:
        self.tree, self.files = tree, files

    def entries(self, under: str = "") -> Iterator[Entry]:
        yield from (entry for entry in self.tree.entries(under) if entry.path not in self.files)
        for path, data in self.files.items():
            if below(path, under):
                yield Entry(path, REGULAR, hashlib.sha1(data, usedforsecurity=False).hexdigest(), len(data))

    def read(self, path: str) -> bytes:
        return self.files[path] if path in self.files else self.tree.read(path)


class Moved:
    """Folders of a tree under other names; the later of two rules wins where both name a place.

    ``rules``: (folder of the tree, folder here), both without a slash at the end, empty for the whole.
    """

    def __init__(self, tree: Tree, rules: tuple[tuple[str, str], ...]) -> None:
        self.tree, self.rules = tree, rules

    def entries(self, under: str = "") -> Iterator[Entry]:
        seen: set[str] = set()
        for source, target in reversed(self.rules):
            if below(under, target):
                asked = f"{source}/{under[len(target) :].lstrip('/')}".strip("/")
            elif below(target, under):
                asked = source
            else:
                continue
            for entry in self.tree.entries(asked):
                inside = entry.path[len(source) :].lstrip("/") if source else entry.path
                path = f"{target}/{inside}" if target else inside
                if inside and path not in seen and below(path, under):
                    seen.add(path)
                    yield entry._replace(path=path)

    def read(self, path: str) -> bytes:
        return self.tree.read(self.origin(path))

    def origin(self, path: str) -> str:
        """Where a path of this view stands in the tree. Raises ``KeyError``."""
        for source, target in reversed(self.rules):
            if below(path, target):
                inside = path[len(target) :].lstrip("/") if target else path
                place = f"{source}/{inside}" if source and inside else source or inside
                if any(below(entry.path, place) for entry in self.tree.entries(place)):
                    return place
        raise KeyError(path)


class Nothing:
    """A tree that holds nothing."""

    def entries(self, under: str = "") -> Iterator[Entry]:
        yield from ()

    def read(self, path: str) -> bytes:
        raise KeyError(path)
