"""What a published log says of itself: a signed note with origin, size and root.

Formats: C2SP tlog-checkpoint, and signed-note with Ed25519 (a key's id is the beginning of SHA-256 over its name, a line
feed, the byte 1 and the public key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
ID_BYTES = 4
MARK = "\u2014 "


class BadNote(ValueError):
    """No checkpoint, or not signed by that key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``origin``: the name of the log; ``root``: 32 bytes over its first ``size`` entries."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """The key of the log: 32 secret bytes, known under the ``name`` that stands in each signature."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def verifier(self) -> str:
        """The public key as a line, to be given to whoever verifies: ``name+id+key``."""
        public = base64.b64encode(ED25519 + self._public).decode()
        return f"{self.name}+{_key_id(self.name, self._public).hex()}+{public}"

    def sign(self, checkpoint: Checkpoint) -> str:
        """The note; the same checkpoint gives the same note."""
        text = checkpoint.text()
        signature = _key_id(self.name, self._public) + self._key.sign(text.encode())
        return f"{text}\n{MARK}{self.name} {base64.b64encode(signature).decode()}\n"


def open_note(note: str, verifier: str) -> Checkpoint:
    """The checkpoint of a note that the key of ``verifier`` signed; :class:`BadNote`. Other signatures are passed over."""
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    name, public = _public_key(verifier)
    for line in signatures.splitlines():
        signer, _, value = line.removeprefix(MARK).rpartition(" ")
        if line.startswith(MARK) and signer == name and _is_signed(text, value, name, public):
            return _parsed(text)
    raise BadNote("It is not signed by the key of this log.")


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:ID_BYTES]


def _public_key(verifier: str) -> tuple[str, bytes]:
    # The key is base64 and may contain "+" itself.
    name, _, value = verifier.split("+", 2)
    return name, base64.b64decode(value)[1:]


def _is_signed(text: str, value: str, name: str, public: bytes) -> bool:
    try:
        raw = base64.b64decode(value, validate=True)
        if raw[:ID_BYTES] != _key_id(name, public):
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(raw[ID_BYTES:], text.encode())
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _parsed(text: str) -> Checkpoint:
    origin, size, root, *_ = [*text.splitlines(), "", "", ""]
    try:
        found = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error) as error:
        raise BadNote("It has no size or no root.") from error
    if found.text() != text:
        raise BadNote("It says more than origin, size and root.")
    return found
