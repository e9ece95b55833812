"""Who touched which paths, commit by commit, read as a stream: for learning from long histories."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apps.vcs import gateway
from apps.vcs.conversation import Conversation
from apps.vcs.errors import GitFailed, GitOutputTooLarge, ObjectMissing
from apps.vcs.limits import DEFAULT_LIMITS
from apps.vcs.objects import object_type, require_oid
from apps.vcs.paths import decode

FLAGS = ("-z", "--no-notes", "--no-mailmap", "--no-decorate", "--no-show-signature", "--no-color", "--encoding=UTF-8",
         "--no-merges", "--no-renames", "--name-only")  # fmt: skip
CO_AUTHORS = "%(trailers:key=Co-authored-by,valueonly=true,unfold=true,separator=%x1e)"
ADDRESS = re.compile(r"<([^<>]*)>")
LONGEST_TOKEN = 1 << 20
"""Bytes of one path or one field; Git's own paths end at 4,096."""


@dataclass(frozen=True, slots=True)
class Authored:
    """One commit that is no merge: addresses of author and co-authors as it names them (claims), committed ``at``.

    ``paths``: what it touches, old and new path of a rename; ``None`` when there are more than were asked for.
    """

    addresses: tuple[str, ...]
    at: datetime
    paths: tuple[str, ...] | None


def authored(
    git_dir: Path, tip: str, *, known: str = "", skip: int = 0, limit: int, most_paths: int
) -> Iterator[Authored]:
    """Commits reachable from ``tip`` and not from ``known``, newest first: ``limit`` of them after ``skip``.

    For the same ``tip`` and ``known`` the order is always the same, so that a reading can go on where
    another ended. Holds one commit in memory at a time, and of that at most ``most_paths`` paths. Raises
    :class:`ObjectMissing`, :class:`GitFailed`; closing the iterator ends the process.
    """
    for oid in filter(None, (tip, known)):
        if object_type(git_dir, require_oid(oid)) != "commit":
            raise ObjectMissing(oid, "commit")
    # The head of a record is random: no path in the history can be taken for one.
    mark = secrets.token_hex(16)
    bounds = [f"--max-count={int(limit)}", f"--skip={int(skip)}", f"--format={mark}%x00%ct%x00%ae%x00{CO_AUTHORS}"]
    process = gateway.start(git_dir, "log", [*FLAGS, *bounds, tip, *([f"^{known}"] if known else [])])
    process.limit(memory=DEFAULT_LIMITS.memory_bytes, cpu_seconds=600, file_bytes=None)
    conversation = Conversation(process)
    conversation.deadline = time.monotonic() + DEFAULT_LIMITS.command_seconds
    with closing(conversation):
        yield from _records(_tokens(conversation), mark.encode(), most_paths)
        if process.popen.wait(timeout=5) != 0:
            raise GitFailed("Git stopped while it read the history of this repository.", code="history_unreadable")


def _tokens(conversation: Conversation) -> Iterator[bytes]:
    """The parts between NUL bytes."""
    rest = b""
    while chunk := conversation.read_some():
        *whole, rest = (rest + chunk).split(b"\0")
        if len(rest) > LONGEST_TOKEN:
            raise GitOutputTooLarge("A path in the history of this repository is too long.", limit=LONGEST_TOKEN)
        yield from whole
    if rest:
        yield rest


def _records(tokens: Iterator[bytes], mark: bytes, most_paths: int) -> Iterator[Authored]:
    head: list[bytes] = []
    paths: list[str] = []
    count = 0
    for token in tokens:
        if token == mark:
            if head:
                yield _authored(head, paths, count)
            head, paths, count = [], [], 0
        elif len(head) < 3:
            head.append(token)
        else:
            count += 1
            if count <= most_paths:
                paths.append(decode(token.removeprefix(b"\n") if count == 1 else token))
    if head:
        yield _authored(head, paths, count)


def _authored(head: list[bytes], paths: list[str], count: int) -> Authored:
    moment, author, others = head
    said = [decode(author), *(found for value in decode(others).split("\x1e") for found in ADDRESS.findall(value))]
    addresses = dict.fromkeys(address.strip().lower() for address in said)
    return Authored(
        tuple(address for address in addresses if address),
        _moment(moment),
        tuple(paths) if count == len(paths) else None,
    )


def _moment(seconds: bytes) -> datetime:
    """1970 for a date that is none."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
