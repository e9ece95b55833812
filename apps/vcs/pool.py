"""Persistent ``git diff-tree --stdin`` and ``git cat-file`` processes per repository.

Starting Git costs about 2.6 ms, asking a running one about 0.24 ms (PERFORMANCE §3.1). A process
serves one question at a time; further threads get further processes up to the bound, then one of
their own for that question. Least recently used repositories lose their idle processes first;
a process is replaced after ``pool_requests`` questions (its delta cache grows) or when it dies.

The pool is per operating-system process and forgets everything after a fork.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from apps.core import tracing
from apps.vcs import gateway
from apps.vcs.conversation import Conversation, DiedError
from apps.vcs.errors import GitFailed, ObjectMissing
from apps.vcs.limits import DEFAULT_LIMITS, Limits

Answer = TypeVar("Answer")

DIFF = ("--stdin", "-r", "-M", "--no-textconv", "--no-ext-diff", "--ignore-submodules=none")
IGNORE_SPACE = ("-w", "--ignore-blank-lines")
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "objects": ("cat-file", ("--batch-command", "-z")),
    "raw": ("diff-tree", (*DIFF, "--raw", "-z", "--no-abbrev")),
    "numstat": ("diff-tree", (*DIFF, "--numstat", "-z")),
    "patch": ("diff-tree", (*DIFF, "-p", "--no-color")),
    "difference": ("diff-tree", (*DIFF, "--raw", "-p", "-z", "--no-color", "--full-index")),
    "patch-full": ("diff-tree", (*DIFF, "-p", "--no-color", "--full-index")),
    "patch-no-space": ("diff-tree", (*DIFF, "-p", "--no-color", "--full-index", *IGNORE_SPACE)),
}
Key = tuple[str, int, int]  # absolute path, device, inode: a re-made mirror is another repository


class Pool:
    """Lends conversations; bounded over repositories and in all. Thread-safe."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # After a fork the parent owns the processes: the child only lets go of its copies.
        self._lock = threading.Lock()
        self._idle: OrderedDict[Key, dict[str, list[Conversation]]] = OrderedDict()
        self._running = 0

    @property
    def running(self) -> int:
        """How many pooled processes exist now, idle and lent."""
        return self._running

    def ask(self, git_dir: Path, kind: str, question: Callable[[Conversation], Answer]) -> Answer:
        """``question`` asked of a process for ``git_dir``; once more of a new one if it died."""
        command = KINDS[kind][0]
        with tracing.span(f"git {command}", kind="client", facts={"git.command": command, "git.pooled": True}):
            return self._ask(git_dir, kind, question)

    def _ask(self, git_dir: Path, kind: str, question: Callable[[Conversation], Answer]) -> Answer:
        key = _key(git_dir)
        conversation, pooled = self._take(key, git_dir, kind)
        try:
            answer = self._ask_once(conversation, question)
        except DiedError:
            self._drop(conversation, pooled=pooled)
            return self._ask_anew(git_dir, kind, question)
        except ObjectMissing:
            self._give_back(key, kind, conversation, pooled=pooled)
            raise
        except BaseException:
            self._drop(conversation, pooled=pooled)
            raise
        self._give_back(key, kind, conversation, pooled=pooled)
        return answer

    def _ask_once(self, conversation: Conversation, question: Callable[[Conversation], Answer]) -> Answer:
        conversation.deadline = time.monotonic() + self.limits.command_seconds
        conversation.requests += 1
        return question(conversation)

    def _ask_anew(self, git_dir: Path, kind: str, question: Callable[[Conversation], Answer]) -> Answer:
        conversation = self._start(git_dir, kind)
        try:
            return self._ask_once(conversation, question)
        except DiedError as error:
            message = (
                "Git stopped while it read the portal's copy of this repository: an object is "
                "missing or damaged. Ask an administrator to connect the repository anew."
            )
            raise GitFailed(message, code="object_damaged", stderr=error.stderr) from error
        finally:
            conversation.close()

    def forget(self, git_dir: Path) -> None:
        """End the idle processes of one repository: it is deleted, or another one took its place."""
        path = str(git_dir.absolute())
        with self._lock:
            keys = [key for key in self._idle if key[0] == path]
            gone = [item for key in keys for item in self._pop_repository(key)]
        _close(gone)

    def close(self) -> None:
        """End all idle processes (tests, shutdown)."""
        with self._lock:
            gone = [item for key in list(self._idle) for item in self._pop_repository(key)]
        _close(gone)

    def _take(self, key: Key, git_dir: Path, kind: str) -> tuple[Conversation, bool]:
        with self._lock:
            gone = self._expired()
            found = self._pop_idle(key, kind)
            pooled = found is not None
            if found is None:
                gone += self._make_room()
                pooled = self._running < self.limits.pool_processes
                self._running += pooled
        _close(gone)
        if found is not None:
            return found, True
        try:
            return self._start(git_dir, kind), pooled
        except BaseException:
            with self._lock:
                self._running -= pooled
            raise

    def _pop_idle(self, key: Key, kind: str) -> Conversation | None:
        if key not in self._idle:
            return None
        self._idle.move_to_end(key)
        waiting = self._idle[key].get(kind)
        return waiting.pop() if waiting else None

    def _make_room(self) -> list[Conversation]:
        # Called with the lock held: least recently used repositories first.
        gone: list[Conversation] = []
        for key in list(self._idle):
            if self._running < self.limits.pool_processes:
                break
            gone += self._pop_repository(key)
        return gone

    def _expired(self) -> list[Conversation]:
        before = time.monotonic() - self.limits.pool_idle_seconds
        stale = [
            key
            for key, kinds in self._idle.items()
            if all(item.used_at < before for waiting in kinds.values() for item in waiting)
        ]
        return [item for key in stale for item in self._pop_repository(key)]

    def _pop_repository(self, key: Key) -> list[Conversation]:
        gone = [item for waiting in self._idle.pop(key).values() for item in waiting]
        self._running -= len(gone)
        return gone

    def _give_back(self, key: Key, kind: str, conversation: Conversation, *, pooled: bool) -> None:
        worn = conversation.requests >= self.limits.pool_requests
        if not pooled or worn or not conversation.is_alive:
            self._drop(conversation, pooled=pooled)
            return
        conversation.used_at = time.monotonic()
        with self._lock:
            self._idle.setdefault(key, {}).setdefault(kind, []).append(conversation)
            self._idle.move_to_end(key)
            gone: list[Conversation] = []
            while len(self._idle) > self.limits.pool_repositories:
                gone += self._pop_repository(next(iter(self._idle)))
        _close(gone)

    def _drop(self, conversation: Conversation, *, pooled: bool) -> None:
        with self._lock:
            self._running -= pooled
        conversation.close()

    def _start(self, git_dir: Path, kind: str) -> Conversation:
        command, args = KINDS[kind]
        process = gateway.start(git_dir, command, args)
        process.limit(memory=self.limits.memory_bytes, cpu_seconds=3_600, file_bytes=None)
        return Conversation(process)


def _key(git_dir: Path) -> Key:
    try:
        found = git_dir.stat()
    except OSError:
        return (str(git_dir.absolute()), 0, 0)  # starting there tells what is wrong
    return (str(git_dir.absolute()), found.st_dev, found.st_ino)


def _close(conversations: list[Conversation]) -> None:
    for conversation in conversations:
        conversation.close()


DEFAULT_POOL = Pool()
atexit.register(DEFAULT_POOL.close)


def diff(git_dir: Path, kind: str, old_tree: str, new_tree: str) -> bytes:
    """What ``git diff-tree`` prints for two trees (full oids), without the line that names them.

    The end is told by a random line that Git echoes; it cannot be foreseen by who wrote the content
    (a removed line ``-end`` prints as ``--end``). A tree that is missing is an error, not "no change":
    Git then prints no naming line.
    """
    token = b"end-of-answer-" + secrets.token_hex(16).encode()
    header = f"{old_tree} {new_tree}\n".encode()

    def question(conversation: Conversation) -> bytes:
        conversation.send(header + token + b"\n")
        answer = conversation.read_until(token + b"\n", DEFAULT_POOL.limits.output_bytes)
        if not answer.startswith(header):
            raise ObjectMissing(new_tree, "pair of trees")
        return answer[len(header) :]

    return DEFAULT_POOL.ask(git_dir, kind, question)
