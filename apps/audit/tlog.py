"""A Merkle tree over the log, as files: RFC 6962 hashes in the layout of C2SP tlog-tiles.

A tile holds 256 hashes of one level; ``tile/entries/…`` holds the entries themselves, each behind its length. Only the last
tile of a level can be unfinished, and those last ones are all that is needed to go on. Pure: neither Git nor a database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

WIDTH = 256
HASH_BYTES = 32
LONGEST_ENTRY = 65_535
ENTRIES = "entries"


class BadTiles(ValueError):
    """Files that are no tiles of a tree of that size."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 over a zero byte and the entry, which is ``AuditEntry.hash`` too."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The Merkle tree hash over nodes of equal height (the last one may be lower); of nothing: SHA-256 of nothing."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256().digest()
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(hashes[:middle]) + root_of(hashes[middle:])).digest()


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """``tile/0/x001/x234/067``, with ``.p/5`` behind it while only five of it are there."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    unfinished = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{unfinished}"


def unfinished_tiles(size: int) -> Iterator[tuple[int | str, str]]:
    """Level and path of each tile that more entries would make longer."""
    if width := size % WIDTH:
        yield ENTRIES, tile_path(ENTRIES, size // WIDTH, width)
    level, rest = 0, size
    while rest:
        rest, width = divmod(rest, WIDTH)
        if width:
            yield level, tile_path(level, rest, width)
        level += 1


class Tree:
    """The tree over the first ``size`` entries, as far as it is needed to append to it."""

    def __init__(self, *, keep: bool = True) -> None:
        """``keep``: whether :meth:`files` will be asked for; a root alone needs no memory."""
        self._keep = keep
        self.size = 0
        self.edges: dict[int, list[bytes]] = {}
        self._bundle = bytearray()
        self._finished: dict[str, bytes] = {}

    @classmethod
    def read(cls, size: int, read: Callable[[str], bytes]) -> Tree:
        """The tree of that ``size`` from its unfinished tiles; ``read`` gives a file. :class:`BadTiles`."""
        tree = cls()
        tree.size = size
        for level, path in unfinished_tiles(size):
            content = read(path)
            if isinstance(level, str):
                tree._bundle = bytearray(content)
                continue
            width = int(path.rpartition("/")[2])
            if len(content) != width * HASH_BYTES:
                raise BadTiles(f"{path} has {len(content)} bytes instead of {width * HASH_BYTES}.")
            tree.edges[level] = [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]
        return tree

    def root(self) -> bytes:
        """The Merkle tree hash over all entries."""
        below: list[bytes] = []
        for level in sorted(self.edges):
            below = [root_of([*self.edges[level], *below])] if self.edges[level] or below else []
        return root_of(below)

    def append(self, entry: bytes) -> bytes:
        """One more entry; its leaf hash. ValueError for one that is too long for the format."""
        if len(entry) > LONGEST_ENTRY:
            raise ValueError(f"An entry of {len(entry):,} bytes does not fit: {LONGEST_ENTRY:,} are the most.")
        leaf = leaf_hash(entry)
        self._bundle += len(entry).to_bytes(2, "big") + entry
        self._add(0, leaf)
        self.size += 1
        if self.size % WIDTH == 0:
            self._finish(tile_path(ENTRIES, self.size // WIDTH - 1), self._bundle)
            self._bundle.clear()
        return leaf

    def _add(self, level: int, node: bytes) -> None:
        edge = self.edges.setdefault(level, [])
        edge.append(node)
        if len(edge) == WIDTH:
            index = self.size // WIDTH ** (level + 1)
            self._finish(tile_path(level, index), b"".join(edge))
            whole = root_of(edge)
            edge.clear()
            self._add(level + 1, whole)

    def _finish(self, path: str, content: bytes | bytearray) -> None:
        if self._keep:
            self._finished[path] = bytes(content)

    def files(self) -> dict[str, bytes]:
        """Path → content of what was finished since the tree was made or read, and of all that is unfinished."""
        last: dict[str, bytes] = {}
        for level, path in unfinished_tiles(self.size):
            last[path] = bytes(self._bundle) if isinstance(level, str) else b"".join(self.edges[level])
        return self._finished | last


def entries_in(bundle: bytes) -> Iterator[bytes]:
    """The entries of one ``tile/entries/`` file; :class:`BadTiles` when a length leads beyond its end."""
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise BadTiles("An entry is cut off.")
        yield bundle[at + 2 : end]
        at = end
