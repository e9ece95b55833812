"""One running Git process that answers question after question over its pipes."""

from __future__ import annotations

import os
import selectors
import time

from apps.vcs.errors import GitOutputTooLarge, GitTimedOut
from apps.vcs.processes import Process

CHUNK = 1 << 18
STDERR_KEPT = 4_096


class DiedError(Exception):
    """The process ended in the middle of an answer."""

    def __init__(self, stderr: bytes) -> None:
        super().__init__("the Git process ended")
        self.stderr = stderr


class Conversation:
    """Send bytes, read an answer; every wait ends at ``deadline`` (``time.monotonic()``)."""

    def __init__(self, process: Process) -> None:
        self.deadline = 0.0
        self.requests = 0
        self.used_at = time.monotonic()
        self._process = process
        self._buffer = bytearray()
        self._errors = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._selector.register(process.stderr, selectors.EVENT_READ)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    @property
    def pid(self) -> int:
        return self._process.popen.pid

    def close(self) -> None:
        """Kill and reap the process."""
        self._selector.close()
        self._process.kill()

    def send(self, data: bytes) -> None:
        """Write a question (shorter than a pipe's buffer, so that it cannot block for long)."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._process.stdin.fileno(), view) :]
            except BlockingIOError:
                self._fill()
            except BrokenPipeError as error:
                raise DiedError(bytes(self._errors)) from error

    def read_line(self, most: int) -> bytes:
        """The next line without its newline."""
        start = 0
        while True:
            end = self._buffer.find(b"\n", start)
            if end >= 0:
                return self._cut(end, end + 1)
            start = len(self._buffer)
            if start > most:
                raise _too_much(most)
            self._fill()

    def read_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        while len(self._buffer) < size:
            self._fill(size + CHUNK)
        return self._cut(size, size)

    def read_until(self, token: bytes, most: int) -> bytes:
        """Everything before ``token``, which must be the last that the process writes."""
        while not self._buffer.endswith(token):
            self._fill(most)
        return self._cut(len(self._buffer) - len(token), len(self._buffer))

    def read_some(self) -> bytes:
        """What comes next, at least one byte; ``b""`` when the process has written everything."""
        if not self._buffer:
            try:
                self._fill()
            except DiedError:
                return b""
        return self._cut(len(self._buffer), len(self._buffer))

    def _cut(self, end: int, after: int) -> bytes:
        answer = bytes(memoryview(self._buffer)[:end])
        if after >= len(self._buffer):
            self._buffer = bytearray()
        else:
            del self._buffer[:after]
        return answer

    def _fill(self, most: int | None = None) -> None:
        left = self.deadline - time.monotonic()
        ready = self._selector.select(left) if left > 0 else []
        if not ready:
            message = "Git did not answer in time while reading the portal's copy."
            raise GitTimedOut(message, command="pool")
        for key, _ in ready:
            data = os.read(key.fd, CHUNK)
            if key.fileobj is self._process.stderr:
                self._errors = (self._errors + data)[-STDERR_KEPT:]
                if not data:
                    self._selector.unregister(key.fileobj)
            elif data:
                self._buffer += data
            else:
                raise DiedError(bytes(self._errors))
        if most is not None and len(self._buffer) > most:
            raise _too_much(most)


def _too_much(most: int) -> GitOutputTooLarge:
    message = f"Git was stopped because its answer exceeds {most:,} bytes."
    return GitOutputTooLarge(message, command="pool", limit=most)
