"""Check a copy of a portal's published audit log without the portal: this file, Python 3.11, git, and OpenSSL 3 or `cryptography`.

    git clone --mirror URL log.git
    python3 verify_published_log.py log.git --key 'portal-audit+0123abcd+AQ…' [--checkpoint kept.note …]

It trusts the key, and the checkpoints that were kept, and nothing else. It holds when the newest checkpoint is signed, the entries give its
root, follow one another without a gap, and when each earlier checkpoint of the repository, and each kept one, is the root of their beginning.
Formats: docs/audit.md; C2SP signed-note, tlog-checkpoint, tlog-tiles; RFC 6962 §2.1. Written anew, not shared with the portal, on purpose.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

REF = "refs/portal/audit"
BUNDLE = 256
ZERO = "0" * 64
SPKI = bytes.fromhex("302a300506032b6570032100")
"""DER in front of the 32 bytes of an Ed25519 public key (RFC 8410)."""


class Bad(Exception):
    """What is wrong, in a sentence."""


class Note(NamedTuple):
    """A checkpoint: ``root`` over the first ``size`` entries of ``origin``; ``text`` is what ``signatures`` sign."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: list[str]


class Log:
    """The repository, read by one `git cat-file` while it is open."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> Self:
        command = ["git", "-C", self._place, "cat-file", "--batch"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def commits(self) -> list[str]:
        """From the first to the newest."""
        command = ["git", "-C", self._place, "rev-list", "--first-parent", "--reverse", REF, "--"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode or not found.stdout:
            raise Bad(f"{self._place} has no {REF}: clone it with --mirror. {found.stderr.strip()}")
        return found.stdout.split()

    def file(self, commit: str, path: str) -> bytes:
        asked, answer = self._process.stdin, self._process.stdout
        if asked is None or answer is None:
            raise Bad("Git does not answer.")
        asked.write(f"{commit}:{path}\n".encode())
        asked.flush()
        head = answer.readline().split()
        if len(head) != 3 or head[1] != b"blob":  # name, type, size
            raise Bad(f"Commit {commit} has no {path}.")
        return answer.read(int(head[2]) + 1)[:-1]


class Tree:
    """Roots of whole subtrees, highest first: all that is needed for the root of what was added."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        self._whole.append(leaf)
        self.size += 1
        ends = self.size
        while ends % 2 == 0:
            right, left = self._whole.pop(), self._whole.pop()
            self._whole.append(hashlib.sha256(b"\x01" + left + right).digest())
            ends //= 2

    def root(self) -> bytes:
        if not self._whole:
            return hashlib.sha256().digest()
        root = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return root


def note_of(content: bytes, where: str) -> Note:
    """The parts of a checkpoint; nothing of it is verified yet."""
    try:
        text, signatures = content.decode().split("\n\n", 1)
        origin, size, root = text.split("\n")
        return Note(origin, int(size), base64.b64decode(root, validate=True), text + "\n", signatures.splitlines())
    except (ValueError, binascii.Error) as error:
        raise Bad(f"The checkpoint of {where} cannot be read.") from error


def require_signed(note: Note, keys: list[str], where: str) -> str:
    """The name of the key that signed it; :class:`Bad` when none of ``keys`` did."""
    for name, number, public in map(key_of, keys):
        for line in note.signatures:
            mark, _, signature = line.rpartition(" ")
            raw = decoded(signature)
            if mark == f"\u2014 {name}" and raw[:4].hex() == number and is_signed(note.text, raw[4:], public):
                return name
    raise Bad(f"The checkpoint of {where} is not signed by a given key.")


def key_of(line: str) -> tuple[str, str, bytes]:
    """Name, number and the 32 public bytes of a key that is written ``name+number+value``."""
    name, number, value = [*line.strip().split("+", 2), "", ""][:3]
    public = decoded(value)
    if len(public) != 33 or hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] != number:
        raise Bad(f"{line} is no key of a log: it is the line of keys/log.")
    return name, number, public[1:]


def decoded(text: str) -> bytes:
    """The bytes of base64; none of what is not."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def is_signed(text: str, signature: bytes, public: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return is_signed_by_openssl(text, signature, public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def is_signed_by_openssl(text: str, signature: bytes, public: bytes) -> bool:
    with TemporaryDirectory() as folder:
        files = {"text": text.encode(), "signature": signature, "key": SPKI + public}
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]
        command += ["-in", "text", "-sigfile", "signature"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def entries(log: Log, commit: str, size: int) -> Iterator[bytes]:
    """The bytes of each entry, as they were hashed."""
    for index in range(-(-size // BUNDLE)):
        width = min(BUNDLE, size - index * BUNDLE)
        path = bundle_path(index) + ("" if width == BUNDLE else f".p/{width}")
        bundle, at = log.file(commit, path), 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            yield bundle[at + 2 : at + 2 + length]
            at += 2 + length
        if at != len(bundle):
            raise Bad(f"{path} does not hold {width} entries.")


def bundle_path(index: int) -> str:
    groups = f"{index:03d}" if index < 1000 else f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    return "tile/entries/" + "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def check_log(log: Log, commits: list[tuple[str, Note]], keys: list[str], kept: list[Note]) -> None:
    """One log, from its beginning to the newest of ``commits``, with those of ``kept`` that are of it."""
    newest, note = commits[-1]
    sizes = [found.size for _, found in commits]
    if sizes != sorted(set(sizes)):
        raise Bad(f"{note.origin} did not grow between two of its checkpoints.")
    signer = require_signed(note, keys, newest)
    said = [(found.size, found.root, commit) for commit, found in commits]
    said += [(found.size, found.root, "a kept one") for found in kept if found.origin == note.origin]
    said.sort(key=lambda one: one[0])
    if said[-1][0] > note.size:
        raise Bad(f"A kept checkpoint is of {said[-1][0]} entries, and the log has {note.size}: it was cut off.")
    tree, last, due = Tree(), ZERO, iter(said)
    size, root, where = next(due)
    for number, raw in enumerate(entries(log, newest, note.size), 1):
        last = checked(raw, number, last)
        tree.add(bytes.fromhex(last))
        while size == number:
            if tree.root() != root:
                raise Bad(f"The first {number} entries are not those of the checkpoint of {where}.")
            size, root, where = next(due, (0, b"", ""))
    if size:
        raise Bad(f"The checkpoint of {where} says {size} entries, which no log can have here.")
    print(f"{note.origin}: {note.size} entries, {len(said)} checkpoints, each the beginning of the next.")
    print(f"  newest: root {note.root.hex()}, signed by {signer}")


def checked(raw: bytes, number: int, last: str) -> str:
    """The hash of entry ``number``, which names ``last`` as the hash before it."""
    try:
        entry = json.loads(raw)
        seq, before, action, summary = entry["seq"], entry["prev_hash"], entry["action"], entry["summary"]
    except (ValueError, KeyError, TypeError) as error:
        raise Bad(f"Entry {number} cannot be read.") from error
    if (seq, before) != (number, last):
        raise Bad(f"Entry {number} says that it is number {seq}, or does not follow the one before it.")
    if action in {"audit.begun_anew", "audit.recovered"}:
        print(f"  entry {number}, {entry['at']}: {summary}")
    return hashlib.sha256(b"\x00" + raw).hexdigest()


def verify(place: str, keys: list[str], kept: list[Note]) -> None:
    origins: list[str] = []
    with Log(place) as log:
        commits = [(commit, note_of(log.file(commit, "checkpoint"), commit)) for commit in log.commits()]
        for origin, of_one in groupby(commits, key=lambda one: one[1].origin):
            if origin in origins:
                raise Bad(f"{origin} goes on after another log was begun.")
            origins.append(origin)
            check_log(log, list(of_one), keys, kept)
    for note in kept:
        require_signed(note, keys, "a kept file")
        if note.origin not in origins:
            raise Bad(f"A kept checkpoint is of {note.origin}, which is not in this repository.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a copy of a portal's published audit log.")
    parser.add_argument("repository")
    parser.add_argument("--key", action="append", required=True, help="the line of keys/log that you keep; repeatable")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, help="a note that you keep; repeatable")
    given = parser.parse_args()
    try:
        kept = [note_of(path.read_bytes(), str(path)) for path in given.checkpoint]
        verify(given.repository, given.key, kept)
    except Bad as problem:
        print(f"It does not hold. {problem}", file=sys.stderr)
        return 1
    print("It holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
