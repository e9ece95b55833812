"""What happened to one file: the facts of Git's raw list, the facts of its patch, and the words for them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from apps.diffs import lookalikes
from apps.diffs.characters import decode, hidden_characters, plain

Kind = Literal["text", "binary", "symlink", "submodule", "mode_only", "empty"]
ABSENT = "000000"
SYMLINK, SUBMODULE = "120000", "160000"
_STATUS_WORDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "C": "copied", "T": "type changed"}
_FORMATS = {"100": "file", "120": "symlink", "160": "submodule", "040": "directory"}
_ID_LENGTH = 8
MAX_SHOWN = 4_000
"""Characters of one line before it is cut, with a count of what is left, unless asked for whole."""
_CONTROL = bytes(range(9)) + bytes(range(11, 32)) + b"\x7f"
_HEADING = re.compile(rb"(?:^|\n)@@ [^\n]*")


class TreeChangeLike(Protocol):
    """What ``apps.vcs.trees.TreeChange`` offers; paths are UTF-8 with ``surrogateescape``."""

    @property
    def status(self) -> str: ...
    @property
    def old_path(self) -> str: ...
    @property
    def new_path(self) -> str: ...
    @property
    def old_mode(self) -> str: ...
    @property
    def new_mode(self) -> str: ...
    @property
    def old_oid(self) -> str: ...
    @property
    def new_oid(self) -> str: ...
    @property
    def similarity(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class FileChange:
    """One line of the raw list. ``id`` is short, unique within its list, and the same in every revision."""

    id: str
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
        """The path after the change; of a deleted file, the one before."""
        return self.old_path if self.status == "D" else self.new_path

    @property
    def display_path(self) -> str:
        return plain(self.path)

    @property
    def display_old_path(self) -> str:
        return plain(self.old_path)

    @property
    def is_moved(self) -> bool:
        return self.status in "RC" and self.old_path != self.new_path

    @property
    def status_word(self) -> str:
        return _STATUS_WORDS.get(self.status, "changed")

    @property
    def parts(self) -> int:
        """How many ``diff --git`` parts Git prints for it: a change of type is a deletion and a creation."""
        both = ABSENT not in (self.old_mode, self.new_mode)
        return 2 if both and self.old_mode[:3] != self.new_mode[:3] else 1

    @property
    def has_content_change(self) -> bool:
        return self.old_oid != self.new_oid


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the patch says about one file, small enough to be stored with a revision.

    ``patch_bytes`` is the length of the patch text; ``hidden`` counts invisible characters in its lines by token;
    ``lookalikes`` those that look like ASCII and are not, by character (of the lines and of the name);
    ``clean`` is false when a line is no UTF-8; ``words`` are phrases for people, such as ``mode 644 → 755``.
    ``cut`` counts lines that are so long that the page shows only their beginning.
    """

    kind: Kind
    added: int
    removed: int
    patch_bytes: int
    words: tuple[str, ...] = ()
    hidden: tuple[tuple[str, int], ...] = ()
    clean: bool = True
    lookalikes: tuple[tuple[str, int], ...] = ()
    cut: int = 0

    @property
    def changed(self) -> int:
        """Changed lines: added plus removed."""
        return self.added + self.removed

    def as_json(self) -> dict[str, Any]:
        """A JSON-ready form; ``FileFacts.of_json`` reads it back."""
        return asdict(self)

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> FileFacts:
        hidden, alike = (
            tuple((str(name), int(count)) for name, count in data.get(field, ())) for field in ("hidden", "lookalikes")
        )
        return cls(
            kind=data["kind"], added=data["added"], removed=data["removed"], patch_bytes=data["patch_bytes"],
            words=tuple(data.get("words", ())), hidden=hidden, clean=data.get("clean", True),
            lookalikes=alike,
            cut=data.get("cut", 0),
        )  # fmt: skip


def with_ids(changes: Iterable[TreeChangeLike]) -> list[FileChange]:
    """Give each change its id: the first eight digits of a digest of its path, more of them where two would be equal.

    Short ids can be made to collide on purpose, which would let one file stand for another; hence the check.
    """
    taken: set[str] = set()
    result: list[FileChange] = []
    for change in changes:
        path = change.old_path if change.status == "D" else change.new_path
        digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
        length = _ID_LENGTH
        while digest[:length] in taken and length < len(digest):
            length += _ID_LENGTH
        taken.add(digest[:length])
        result.append(
            FileChange(
                digest[:length],
                change.status,
                change.old_path,
                change.new_path,
                change.old_mode,
                change.new_mode,
                change.old_oid,
                change.new_oid,
                change.similarity,
            )
        )
    return result


def describe(change: FileChange, patch: bytes) -> FileFacts:
    """The facts of one file from its part of the patch. Linear, and does not parse the hunks."""
    pieces = [patch] if change.parts == 1 else patch.split(b"\ndiff --git ")
    bodies = [piece[start:] for piece in pieces if (start := piece.find(b"\n@@ ")) >= 0]
    added = sum(body.count(b"\n+") for body in bodies)
    removed = sum(body.count(b"\n-") for body in bodies)
    kind = _kind(change, patch, has_hunks=bool(bodies))
    hidden, clean, alike = _unusual(b"".join(bodies))
    if not change.path.isascii():
        for char in lookalikes.find(change.path).values():
            alike[char] = alike.get(char, 0) + 1
    words = tuple(_words(change, kind, patch))
    cut = sum(_long_lines(body) for body in bodies)
    return FileFacts(kind, added, removed, len(patch), words, hidden, clean, tuple(sorted(alike.items())), cut)


def _long_lines(body: bytes) -> int:
    """Lines of more characters than a page shows; most patches are shorter than one such line."""
    if len(body) <= MAX_SHOWN:
        return 0
    return sum(1 for line in body.split(b"\n") if len(line) > MAX_SHOWN + 1 and len(decode(line)[0]) > MAX_SHOWN + 1)


def without_space(change: FileChange, patch: bytes, whole: FileFacts) -> FileFacts:
    """The facts of a patch that leaves white space out, with words for what is hidden of the ``whole`` difference."""
    facts = (
        describe(change, patch)
        if patch
        else replace(whole, added=0, removed=0, patch_bytes=0, hidden=(), lookalikes=())
    )
    if whole.kind != "text" or facts.changed >= whole.changed:
        return replace(facts, kind=whole.kind)
    hidden = whole.changed - facts.changed
    noun = "changed line is" if hidden == 1 else "changed lines are"
    what = "Only whitespace differs" if not facts.changed else "Whitespace differs as well"
    return replace(facts, kind="text", words=(*facts.words, f"{what}: {hidden:,} {noun} hidden"))


def _unusual(body: bytes) -> tuple[tuple[tuple[str, int], ...], bool, dict[str, int]]:
    """Invisible characters by token, whether every line is UTF-8, and characters that look like ASCII."""
    if body.isascii() and len(body.translate(None, _CONTROL)) == len(body):
        return (), True, {}
    # Git cuts the heading of a hunk at 80 bytes, perhaps inside a character: it does not count.
    text, clean = decode(_HEADING.sub(b"", body))
    return tuple(sorted(hidden_characters(text).items())), clean, lookalikes.count(text)


def _kind(change: FileChange, patch: bytes, *, has_hunks: bool) -> Kind:
    modes = (change.old_mode, change.new_mode)
    if SUBMODULE in modes:
        return "submodule"
    if SYMLINK in modes:
        return "symlink"
    if not change.has_content_change:
        return "mode_only"
    if has_hunks:
        return "text"
    if b"\nBinary files " in patch or b"\nGIT binary patch" in patch:
        return "binary"
    return "empty"


def short_mode(mode: str) -> str:
    """``100755`` → ``755``; other kinds by their name."""
    return mode[3:] if mode.startswith("100") else _FORMATS.get(mode[:3], mode)


def _words(change: FileChange, kind: Kind, patch: bytes) -> Iterable[str]:
    if change.is_moved:
        yield f"{change.status_word} {change.display_old_path} → {change.display_path}{_similar(change)}"
    if change.parts > 1:
        yield f"{short_mode(change.old_mode)} became {short_mode(change.new_mode)}"
    elif ABSENT not in (change.old_mode, change.new_mode) and change.old_mode != change.new_mode:
        yield f"mode {short_mode(change.old_mode)} → {short_mode(change.new_mode)}"
    elif change.status == "A" and change.new_mode == "100755":
        yield "new, mode 755 (executable)"
    if not unicodedata.is_normalized("NFC", change.path):
        yield "the name has combining characters (it is not in Unicode's composed form) and may look like another name"
    yield from _kind_words(change, kind, patch)


def _similar(change: FileChange) -> str:
    return "" if change.similarity is None else f" ({change.similarity} % equal)"


def _kind_words(change: FileChange, kind: Kind, patch: bytes) -> Iterable[str]:
    if kind == "symlink":
        yield _arrow("symlink", _link(patch, b"\n-", change.old_mode), _link(patch, b"\n+", change.new_mode))
    elif kind == "submodule":
        old = change.old_oid[:12] if change.old_mode == SUBMODULE else ""
        new = change.new_oid[:12] if change.new_mode == SUBMODULE else ""
        yield _arrow("submodule", old, new)
    elif kind == "binary":
        yield f"binary file {change.status_word}"
    elif kind == "empty" and change.status in "AD":
        yield f"empty file {change.status_word}"
    elif kind == "mode_only" and change.status in "RC":
        yield "content unchanged"


def _link(patch: bytes, prefix: bytes, mode: str) -> str:
    """The target of a symlink on one side, or nothing where that side is no symlink."""
    if mode != SYMLINK:
        return ""
    lines: list[bytes] = []
    for hunk in patch.split(b"\n@@ ")[1:]:
        hunk_body = hunk.partition(b"\ndiff --git ")[0]
        lines += [line[1:] for line in hunk_body.split(b"\n")[1:] if line[:1] == prefix[1:]]
    return plain(decode(b"\n".join(lines))[0])


def _arrow(name: str, old: str, new: str) -> str:
    if old and new:
        return f"{name} {old} → {new}" if old != new else f"{name} {old}"
    return f"{name} → {new}, new" if new else f"{name} {old}, removed"
