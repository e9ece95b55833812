"""Files that a step wrote, read by the worker outside: whatever stands there, it costs neither patience nor memory, nor leads elsewhere."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

LARGEST = 1 << 30


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """An ordinary file; :class:`OSError` for a link, a pipe, a device, or nothing."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path.name} is no ordinary file")
        yield file


def read_of_step(path: Path, most: int) -> bytes:
    """At most ``most`` bytes and one more, by which a larger file is known."""
    with opened(path) as file:
        return file.read(most + 1)


def digest_of_step(path: Path) -> str:
    """SHA-256 of a file of at most :data:`LARGEST` bytes."""
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise OSError(f"{path.name} is too large")
        return hashlib.file_digest(file, "sha256").hexdigest()
