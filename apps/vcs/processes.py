"""Starting, talking to and killing one Git process. GitPython starts it and owns it.

GitPython is used for nothing else (RELIABILITY finding 6): no repository, remote, config or ref class.
It passes the whole environment of the portal on, so the executed list begins with ``env -u NAME …``
for every inherited variable that is not ours. (``env -i NAME=VALUE`` would show the values, and with
them a credential, in the process list.)
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a missing git is told by vcs.version

from git.cmd import Git
from git.exc import GitCommandNotFound

from apps.core import waiting

try:
    import resource
except ImportError:  # pragma: no cover - not a Unix
    resource = None  # type: ignore[assignment]

Thing = TypeVar("Thing")

CHUNK = 1 << 16
STDERR_KEPT = 16_384
WATCH_SECONDS = 0.1


class TooSlowError(Exception):
    """The deadline passed."""


class TooMuchError(Exception):
    """More output than allowed; ``data`` is what came until then."""

    def __init__(self, data: bytes) -> None:
        super().__init__("too much output")
        self.data = data


class Process:
    """A running child in its own session; ``kill`` ends it with everything it has started."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> None:
        drop = [name for name in os.environ if name not in env]
        line = ["env", *(part for name in drop for part in ("-u", name)), *argv]
        try:
            self._owner = Git(str(cwd) if cwd else os.sep).execute(
                line, istream=subprocess.PIPE, as_process=True, env=env, start_new_session=True
            )
        except GitCommandNotFound as error:
            raise FileNotFoundError("'env' is not on PATH") from error
        self.popen: subprocess.Popen[bytes] = _present(self._owner.proc)
        self.stdin = _present(self.popen.stdin)
        self.stdout = _present(self.popen.stdout)
        self.stderr = _present(self.popen.stderr)
        for stream in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(stream.fileno(), False)

    def limit(self, *, memory: int, cpu_seconds: int, file_bytes: int | None) -> None:
        """Cap address space, processor time and size of written files (Linux; else nothing)."""
        setter: Callable[..., Any] | None = getattr(resource, "prlimit", None)
        if setter is None:
            return
        with suppress(ProcessLookupError, PermissionError, ValueError):
            setter(self.popen.pid, resource.RLIMIT_AS, (memory, memory))
            setter(self.popen.pid, resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
            if file_bytes is not None:
                setter(self.popen.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    def kill(self) -> None:
        """SIGKILL to the whole process group, then reap and close; safe to call twice."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        for stream in (self.stdin, self.stdout, self.stderr):
            with suppress(OSError):
                stream.close()
        self.popen.wait()

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def communicate(
        self,
        stdin: bytes,
        *,
        deadline: float,
        max_output: int,
        watch: Callable[[], None] | None = None,
    ) -> tuple[int, bytes, bytes]:
        """``(exit code, stdout, last of stderr)``. Kills the group before raising anything.

        ``deadline`` is a ``time.monotonic()`` moment. ``watch`` is called about every 100 ms and
        may raise to end the command, as may who waits for it (:mod:`apps.core.waiting`). Raises :class:`TooSlowError`, :class:`TooMuchError`.
        """
        try:
            out, err = _pump(self, stdin, deadline, max_output, watch)
            code = self.popen.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise TooSlowError from error
        finally:
            self.kill()
        return code, out, err


def _present(thing: Thing | None) -> Thing:
    if thing is None:
        raise RuntimeError("GitPython started Git without its pipes")
    return thing


def _pump(
    process: Process,
    stdin: bytes,
    deadline: float,
    max_output: int,
    watch: Callable[[], None] | None,
) -> tuple[bytes, bytes]:
    out, err = bytearray(), bytearray()
    pending = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        if pending:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlowError
            _look_around(watch)
            for key, _ in selector.select(min(left, WATCH_SECONDS) if watch or waiting.is_watched() else left):
                if key.fileobj is process.stdin:
                    pending = _feed(process, pending, selector)
                else:
                    _drain(key.fd, out if key.fd == process.stdout.fileno() else err, selector)
            if len(out) > max_output:
                raise TooMuchError(bytes(out[:max_output]))
            del err[:-STDERR_KEPT]
    return bytes(out), bytes(err)


def _look_around(watch: Callable[[], None] | None) -> None:
    waiting.beat()
    if watch is not None:
        watch()


def _feed(process: Process, pending: memoryview, selector: selectors.BaseSelector) -> memoryview:
    try:
        pending = pending[os.write(process.stdin.fileno(), pending[:CHUNK]) :]
    except BrokenPipeError:  # it ended without reading all: its exit code tells why
        pending = pending[:0]
    if not pending:
        selector.unregister(process.stdin)
        with suppress(BrokenPipeError):
            process.stdin.close()
    return pending


def _drain(fd: int, into: bytearray, selector: selectors.BaseSelector) -> None:
    data = os.read(fd, CHUNK)
    if data:
        into += data
        return
    selector.unregister(fd)
