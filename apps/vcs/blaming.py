"""Who last changed each line, as ``git blame --incremental`` tells it: the first answers after a few milliseconds.

Renames of the file are followed by Git. Names are what the commits say; no mailmap of the content changes them.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from apps.vcs import gateway
from apps.vcs.conversation import Conversation, DiedError
from apps.vcs.errors import GitFailed, GitTimedOut
from apps.vcs.limits import DEFAULT_LIMITS, Limits
from apps.vcs.objects import require_oid
from apps.vcs.paths import decode, is_safe

LINE_BYTES = 1 << 20
_FIELDS = 4
_ESCAPE = re.compile(rb"\\([abfnrtv\"\\]|[0-7]{3})")
_CHARACTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True, slots=True)
class Origin:
    """A commit as the cause of lines; ``at`` is the author's time in UTC."""

    oid: str
    author: str
    email: str
    at: datetime
    summary: str


@dataclass(frozen=True, slots=True)
class Span:
    """``count`` lines from line ``start`` (1-based) come from ``origin``, where the file was called ``path``."""

    start: int
    count: int
    origin: Origin
    path: str


@dataclass(frozen=True, slots=True)
class Blame:
    """Spans by line. ``complete`` is false when the time was up first: lines that no span names are not known yet."""

    spans: tuple[Span, ...]
    complete: bool


def blame(
    git_dir: Path,
    commit: str,
    path: str,
    *,
    first: int,
    last: int,
    patience: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Blame:
    """Blame of the lines ``first``…``last`` (which the file must have) of ``path`` at ``commit``.

    With ``patience`` (seconds after the first answer) what is known by then is returned; without it all of it, or
    :class:`GitTimedOut`.
    """
    if not is_safe(path):
        raise GitFailed("This is not the path of a file in a repository.", code="bad_path", command="blame")
    args = ["--incremental", f"-L{int(first)},{int(last)}", require_oid(commit), "--", path]
    process = gateway.start(git_dir, "blame", args)
    process.limit(memory=limits.memory_bytes, cpu_seconds=int(limits.command_seconds) * 4 + 5, file_bytes=None)
    conversation = Conversation(process)
    conversation.deadline = time.monotonic() + limits.command_seconds
    spans: list[Span] = []
    complete = False
    try:
        _read(conversation, spans, patience)
    except GitTimedOut:
        if patience is None or not spans:
            raise
    except DiedError as error:
        complete = _exit_code(process.popen) == 0
        if not complete:
            raise gateway.failed("blame", gateway.Completed(1, b"", error.stderr)) from error
    finally:
        conversation.close()
    return Blame(tuple(sorted(spans, key=lambda span: span.start)), complete)


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    return process.wait(timeout=5)


def _read(conversation: Conversation, spans: list[Span], patience: float | None) -> None:
    """Entries until the process ends (:class:`DiedError`) or the time is up (:class:`GitTimedOut`)."""
    origins: dict[str, Origin] = {}
    while True:
        # git-blame(1), INCREMENTAL OUTPUT: "<oid> <line there> <line here> <count>", fields of a new commit, filename.
        head = conversation.read_line(LINE_BYTES).split(b" ")
        oid = head[0].decode()
        fields: dict[bytes, bytes] = {}
        while b"filename" not in fields:
            name, _, value = conversation.read_line(LINE_BYTES).partition(b" ")
            fields[name] = value
        if oid not in origins:
            origins[oid] = _origin(oid, fields)
        if len(head) == _FIELDS:
            spans.append(Span(int(head[2]), int(head[3]), origins[oid], _path(fields[b"filename"])))
        if patience is not None and len(spans) == 1:
            conversation.deadline = min(conversation.deadline, time.monotonic() + patience)


def _origin(oid: str, fields: dict[bytes, bytes]) -> Origin:
    def text(name: bytes) -> str:
        return decode(fields.get(name, b""))

    return Origin(
        oid, text(b"author"), text(b"author-mail").strip("<>"), _moment(text(b"author-time")), text(b"summary")
    )


def _moment(seconds: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _path(raw: bytes) -> str:
    """A name as Git prints it: in quotes, with escapes as in C, when it has unusual bytes."""
    if not raw.startswith(b'"'):
        return decode(raw)
    return decode(_ESCAPE.sub(_byte, raw[1:-1]))


def _byte(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8) & 0xFF]) if code.isdigit() else _CHARACTERS.get(code, code)


def joined(found: Blame) -> Blame:
    """Neighbouring spans of one commit and path made one."""
    spans: list[Span] = []
    for span in found.spans:
        before = spans[-1] if spans else None
        same = before and before.origin.oid == span.origin.oid and before.path == span.path
        if before and same and before.start + before.count == span.start:
            spans[-1] = replace(before, count=before.count + span.count)
        else:
            spans.append(span)
    return Blame(tuple(spans), found.complete)
