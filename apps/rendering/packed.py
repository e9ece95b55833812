"""Packed charts (``.tgz``) are read by ourselves before a tool sees them: no links, no ways out, no bombs."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator

from apps.rendering.limits import InputLimits
from apps.rendering.model import Failure, RenderError
from apps.rendering.paths import joined
from apps.rendering.sandbox.messages import clean_message

SUFFIXES = (".tgz", ".tar.gz")
_CHUNK = 1 << 16
_ALLOWANCE = 1 << 20  # a small archive may unpack to this much whatever its ratio is


class _Bounded(io.RawIOBase):
    """The unpacked bytes of an archive, as long as they keep within the limits."""

    def __init__(self, data: bytes, path: str, limits: InputLimits) -> None:
        self.unpacked = gzip.GzipFile(fileobj=io.BytesIO(data))
        self.path, self.count = path, 0
        self.most = min(limits.total, max(_ALLOWANCE, len(data) * limits.packed_ratio))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.unpacked.read(min(len(buffer), _CHUNK))
        self.count += len(data)
        if self.count > self.most:
            raise RenderError(Failure.TOO_LARGE, f"{self.path} unpacks to too many bytes.", path=self.path)
        buffer[: len(data)] = data
        return len(data)


def check(data: bytes, path: str, limits: InputLimits) -> None:
    """Raises ``REFUSED`` for links, devices and paths that lead out, ``TOO_LARGE`` for a bomb, ``TEMPLATE`` for a broken one."""
    for _ in members(data, path, limits):
        pass


def members(data: bytes, path: str, limits: InputLimits) -> Iterator[tuple[str, bytes]]:
    """The regular files, one after another; every member is checked before the next one is read."""
    shown = clean_message(path)
    count = 0
    try:
        with tarfile.open(fileobj=io.BufferedReader(_Bounded(data, shown, limits), _CHUNK), mode="r|") as archive:
            for member in archive:
                count += 1
                _check_member(member, shown, path, count, limits)
                if member.isreg():
                    read = archive.extractfile(member)
                    yield joined("", member.name) or "", read.read() if read else b""
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, OverflowError):
        raise RenderError(Failure.TEMPLATE, f"{shown} is no packed chart that can be read.", path=path) from None


def _check_member(member: tarfile.TarInfo, shown: str, path: str, count: int, limits: InputLimits) -> None:
    name = clean_message(member.name)[:200]
    if not (member.isreg() or member.isdir()):
        raise RenderError(Failure.REFUSED, f"{shown} holds “{name}”, which is no plain file.", path=path)
    if not joined("", member.name.rstrip("/")) or ".." in member.name.split("/") or "\\" in member.name:
        raise RenderError(Failure.REFUSED, f"{shown} holds “{name}”, which leads out of the chart.", path=path)
    if count > limits.files or member.size > limits.file_size or len(member.name) > limits.path_length:
        raise RenderError(Failure.TOO_LARGE, f"{shown} holds too many files, or “{name}” is too large.", path=path)
