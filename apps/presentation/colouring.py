"""Colours for languages that have no lexer of ours, from processes that are killed when they take too long.

At most ``WORKERS`` processes; a question waits ``PATIENCE`` for a free one and then goes without colours, as does one
that takes longer than ``SECONDS``: its process is killed, and the next question starts another. Processes are started
anew (``exec``), hold no connection, and have a limit of memory.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from django.conf import settings

from apps.diffs.colour_worker import READY
from apps.diffs.highlight import html_of_parts

try:
    import resource
except ImportError:  # pragma: no cover - not a Unix
    resource = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

WORKERS = 2
MAX_CHARS = 64 * 1024
SECONDS = 0.5  # of one question; a usual one takes a tenth of that
START_SECONDS = 10.0
PATIENCE = 0.1
MEMORY = 1024 * 1024 * 1024
_MAX_ANSWER = 8 * 1024 * 1024
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG")


class _TooSlowError(Exception):
    pass


class _Worker:
    def __init__(self, command: Sequence[str]) -> None:
        env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(  # our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            cwd=settings.BASE_DIR, env=env, start_new_session=True,
        )  # fmt: skip
        limit = getattr(resource, "prlimit", None)
        if limit is not None:
            with suppress(OSError, ValueError):
                limit(self._process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))

        self._is_new = True

    def ask(self, question: bytes) -> object:
        assert self._process.stdin is not None  # noqa: S101  # for the type checker
        if self._is_new:
            self._line(START_SECONDS, READY)
            os.set_blocking(self._process.stdin.fileno(), False)
            self._is_new = False
        deadline = time.monotonic() + SECONDS
        left = memoryview(question)
        while left:
            try:
                left = left[os.write(self._process.stdin.fileno(), left) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _TooSlowError from None
                time.sleep(0.002)
        return json.loads(self._line(deadline - time.monotonic()))

    def _line(self, seconds: float, expected: str = "") -> bytes:
        assert self._process.stdout is not None  # noqa: S101
        deadline = time.monotonic() + seconds
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                if len(answer) > _MAX_ANSWER or not selector.select(max(deadline - time.monotonic(), 0)):
                    raise _TooSlowError
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    raise _TooSlowError
                answer += data
        if expected and answer.strip() != expected.encode():
            raise _TooSlowError
        return bytes(answer)

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()


class Colouring:
    """Asks worker processes; thread-safe, and nothing is shared with a process that was forked."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "apps.diffs.colour_worker")) -> None:
        self._command = command
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._free = threading.BoundedSemaphore(WORKERS)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._unknown: set[str] = set()

    def html_of(self, path: str, lines: Sequence[str]) -> Mapping[str, str] | None:
        """The HTML of each line by its text; ``None`` for "no colours": unknown, too long, too slow, or all are busy."""
        name = path.rsplit("/", 1)[-1]
        kind = name.rsplit(".", 1)[-1] if "." in name else name
        if kind in self._unknown or sum(map(len, lines)) > MAX_CHARS or not name.isascii():
            return None
        if not self._free.acquire(timeout=PATIENCE):
            return None
        try:
            answer = self._ask(json.dumps({"name": name, "lines": list(lines)}).encode() + b"\n")
        except (OSError, ValueError, _TooSlowError):
            logger.warning("colouring_stopped", extra={"kind": kind[:20]})
            return None
        finally:
            self._free.release()
        if answer is None and len(self._unknown) < 1_000:
            self._unknown.add(kind)
        return None if answer is None else html_of_parts(lines, answer)

    def _ask(self, question: bytes) -> object:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker(self._command)
        try:
            answer = worker.ask(question)
        except BaseException:
            worker.end()
            raise
        with self._lock:
            self._idle.append(worker)
        return answer

    def close(self) -> None:
        """End all idle processes."""
        with self._lock:
            gone, self._idle = self._idle, []
        for worker in gone:
            worker.end()


COLOURING = Colouring()
atexit.register(COLOURING.close)
