"""Git's raw list and patch text → files, parts, hunks.

Paths come only from the NUL-separated raw list, because that is exact; the patch is only cut into parts at
``diff --git`` (safe: every line of a hunk carries a prefix, and Git quotes line feeds in the names it prints there).
Hunks of a file are parsed when its rows are wanted. Format: gitformat-diff(5), "RAW OUTPUT FORMAT" and
"GENERATING PATCH TEXT WITH -P".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apps.core.errors import PortalError
from apps.diffs.characters import decode
from apps.diffs.files import ABSENT, FileChange, with_ids

_PART = b"\ndiff --git "
_HEADER = re.compile(r"-(\d{1,12})(?:,(\d{1,12}))? \+(\d{1,12})(?:,(\d{1,12}))? @@ ?([^\n]*)\n")
# Context, removed and added lines, as many of each as there are; possessive, so every character is looked at once.
_GROUP = re.compile(r"((?: [^\n]*+\n)*+)((?:-[^\n]*+\n)*+)((?:\+[^\n]*+\n)*+)")
_CUT = re.compile(r"\n\\[^\n]*+")
_INDEX = re.compile(rb"\nindex ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})")
_RAW = re.compile(rb":([0-7]{6}) ([0-7]{6}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([A-Z])([0-9]{0,3})\Z")


class MalformedDiff(PortalError):
    """The bytes are not what Git writes: cut off, mixed up, or not a difference at all."""

    def __init__(self, reason: str) -> None:
        super().__init__("malformed_diff", f"The difference could not be read: {reason}. Load the page again.")


class RawChange(NamedTuple):
    """One entry of the raw list, before it has an id (shape of ``TreeChangeLike``)."""

    status: str
    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    old_oid: str
    new_oid: str
    similarity: int | None


class Group(NamedTuple):
    """Neighbouring lines of a hunk, without their signs: context, then removed, then added; each may be empty."""

    context: list[str]
    removed: list[str]
    added: list[str]


@dataclass(frozen=True, slots=True)
class Hunk:
    """Line numbers as in the ``@@`` line (first line, count) and the groups in order; ``section`` is Git's heading.

    ``old_cut`` / ``new_cut``: the last line of that side here has no newline, and is the last of its file.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    groups: list[Group]
    old_cut: bool = False
    new_cut: bool = False

    @property
    def header(self) -> str:
        old = f"{self.old_start},{self.old_count}" if self.old_count != 1 else f"{self.old_start}"
        new = f"{self.new_start},{self.new_count}" if self.new_count != 1 else f"{self.new_start}"
        return f"@@ -{old} +{new} @@"


def read_raw(data: bytes) -> tuple[list[FileChange], int]:
    """The raw list at the start of ``data`` and the offset where the patch begins (or the data ends)."""
    changes: list[RawChange] = []
    at = 0
    while data[at : at + 1] == b":":
        fields, at = _field(data, at)
        match = _RAW.match(fields)
        if match is None:
            raise MalformedDiff("an entry of the file list is not in Git's form")
        old_mode, new_mode, old_oid, new_oid, status, score = (part.decode("ascii") for part in match.groups())
        path, at = _field(data, at)
        new_path = path
        if status in "RC":
            new_path, at = _field(data, at)
        changes.append(
            RawChange(
                status,
                _path(path),
                _path(new_path),
                old_mode,
                new_mode,
                old_oid,
                new_oid,
                int(score) if score and status in "RC" else None,
            )
        )
    if data[at : at + 1] == b"\0":
        at += 1
    return with_ids(changes), at


def _field(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise MalformedDiff("the file list is cut off")
    return data[at:end], end + 1


def _path(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def split_patch(changes: Sequence[FileChange], patch: bytes) -> list[bytes]:
    """One piece of patch text for each change, in order. Raises ``MalformedDiff`` when the two do not fit."""
    pieces = _cut(patch)
    if len(pieces) != sum(change.parts for change in changes):
        raise MalformedDiff(f"the list and the patch name different files ({len(changes)} and {len(pieces)})")
    result: list[bytes] = []
    at = 0
    for change in changes:
        result.append(pieces[at] if change.parts == 1 else b"".join(pieces[at : at + change.parts]))
        at += change.parts
    return result


def match_patch(changes: Sequence[FileChange], patch: bytes) -> list[bytes]:
    """As ``split_patch`` for a patch from which Git left files out (white space ignored): nothing stands for those.

    Needs full object ids in the patch. Raises ``MalformedDiff`` when a piece belongs to none of ``changes``.
    """
    pieces = _cut(patch)
    result: list[bytes] = []
    at = 0
    for change in changes:
        parts = change.parts if at < len(pieces) and _belongs(pieces[at], change) else 0
        result.append(b"".join(pieces[at : at + parts]))
        at += parts
    if at != len(pieces):
        raise MalformedDiff(f"the list and the patch name different files ({at} of {len(pieces)} are listed)")
    return result


def _belongs(piece: bytes, change: FileChange) -> bool:
    """Whether the head of a piece tells of this change: both contents, and whether modes changed or it was moved."""
    head = piece.partition(b"\n@@ ")[0]
    found = _INDEX.search(head)
    if change.parts > 1:
        return found is not None and found[1].decode() == change.old_oid
    named = found is None or (found[1].decode(), found[2].decode()) == (change.old_oid, change.new_oid)
    has_index = (found is not None) == change.has_content_change
    is_moved = (b"\nrename from " in head or b"\ncopy from " in head) == (change.status in "RC")
    has_modes = (b"\nold mode " in head) == (
        ABSENT not in (change.old_mode, change.new_mode) and change.old_mode != change.new_mode
    )
    return named and has_index and is_moved and has_modes


def _cut(patch: bytes) -> list[bytes]:
    if not patch:
        return []
    if not patch.startswith(_PART[1:]):
        raise MalformedDiff("the patch does not begin with a file")
    first, *rest = patch.split(_PART)
    pieces = [first, *(_PART[1:] + piece for piece in rest)]
    return [piece if piece.endswith(b"\n") else piece + b"\n" for piece in pieces]


def read(data: bytes) -> tuple[list[FileChange], list[bytes]]:
    """The whole output of ``git diff-tree -r -M -p --raw -z --full-index``: the files, and one patch for each."""
    changes, at = read_raw(data)
    return changes, split_patch(changes, data[at:])


def read_stream(chunks: Iterable[bytes]) -> tuple[list[FileChange], Iterator[tuple[FileChange, bytes]]]:
    """As ``read``, but from chunks while they arrive: the list at once, then (file, patch) one by one.

    Nothing is read beyond what is asked for, so a page that shows the first rows leaves the rest to Git.
    A stream that ends too early raises ``MalformedDiff`` at the file that is missing.
    """
    source = iter(chunks)
    head = bytearray()
    while not _list_is_complete(head):
        chunk = next(source, None)
        if chunk is None:
            break
        head += chunk
    changes, at = read_raw(bytes(head))
    return changes, _parts(changes, bytes(head[at:]), source)


def _list_is_complete(head: bytearray) -> bool:
    return b"\0\0" in head or (bool(head) and not head.startswith((b":", b"\0")))


def _parts(changes: Sequence[FileChange], rest: bytes, source: Iterator[bytes]) -> Iterator[tuple[FileChange, bytes]]:
    pieces = _pieces(rest, source)
    for change in changes:
        found = [piece for _, piece in zip(range(change.parts), pieces, strict=False)]
        if len(found) != change.parts:
            raise MalformedDiff("the patch ends before the last file")
        yield change, b"".join(found)


def _pieces(rest: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream at ``diff --git``; each chunk is searched once, with an overlap of one mark."""
    buffer = bytearray(rest)
    searched = 0
    while True:
        cut = buffer.find(_PART, max(0, searched - len(_PART)))
        if cut >= 0:
            yield bytes(buffer[: cut + 1])
            del buffer[: cut + 1]
            searched = 0
            continue
        searched = len(buffer)
        chunk = next(source, None)
        if chunk is None:
            break
        buffer += chunk
    if buffer:
        yield bytes(buffer) if buffer.endswith(b"\n") else bytes(buffer) + b"\n"


def iter_hunks(patch: bytes) -> Iterator[Hunk]:
    """The hunks of one file, one by one (both parts of a change of type after one another).

    Raises ``MalformedDiff`` where a hunk is not what its first line says.
    """
    for piece in patch.split(_PART):
        start = piece.find(b"\n@@ ")
        if start < 0:
            continue
        text, _ = decode(piece[start + 4 :])
        for part in text.removesuffix("\n").split("\n@@ "):
            yield _hunk(part + "\n")


def hunks(patch: bytes) -> list[Hunk]:
    """All hunks of one file. Raises ``MalformedDiff``."""
    return list(iter_hunks(patch))


def _hunk(text: str) -> Hunk:
    """One hunk from the text after its first ``@@ ``."""
    match = _HEADER.match(text)
    if match is None:
        raise MalformedDiff("a hunk has no line numbers")
    old_start, old_count, new_start, new_count, section = match.groups()
    old_lines = 1 if old_count is None else int(old_count)
    new_lines = 1 if new_count is None else int(new_count)
    body, old_cut, new_cut = text[match.end() :], False, False
    if "\n\\" in body:
        body, old_cut, new_cut = _take_cuts(body)
    groups, old_seen, new_seen = _groups(body)
    if (old_seen, new_seen) != (old_lines, new_lines):
        raise MalformedDiff(f"a hunk has {old_seen} and {new_seen} lines, not {old_lines} and {new_lines}")
    return Hunk(int(old_start), old_lines, int(new_start), new_lines, section, groups, old_cut, new_cut)


def _take_cuts(body: str) -> tuple[str, bool, bool]:
    r"""The body without its notes "\ No newline at end of file", and which sides they are about."""
    old_cut = new_cut = False
    for match in _CUT.finditer(body):
        sign = body[body.rfind("\n", 0, match.start()) + 1]
        following = {line[:1] for line in body[match.end() :].split("\n")}
        if (sign != "+" and following & {" ", "-"}) or (sign != "-" and following & {" ", "+"}):
            raise MalformedDiff("a line follows the end of the file")
        old_cut |= sign != "+"
        new_cut |= sign != "-"
    return _CUT.sub("", body), old_cut, new_cut


def _groups(body: str) -> tuple[list[Group], int, int]:
    """The groups of a hunk, and how many old and new lines they hold."""
    groups: list[Group] = []
    seen = old = new = 0
    for context, removed, added in _GROUP.findall(body):
        size = len(context) + len(removed) + len(added)
        if not size:
            break
        seen += size
        # Every line begins with the same sign, so cutting at "newline + sign" removes the signs in C.
        group = Group(
            context[1:-1].split("\n ") if context else [],
            removed[1:-1].split("\n-") if removed else [],
            added[1:-1].split("\n+") if added else [],
        )
        groups.append(group)
        old += len(group.context) + len(group.removed)
        new += len(group.context) + len(group.added)
    if seen != len(body):
        raise MalformedDiff("a line of a hunk has no sign")
    return groups, old, new
