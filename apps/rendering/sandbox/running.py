"""One run of a tool: shut in, watched, and ended within its limits with everything that it has started."""

from __future__ import annotations

import logging
import marshal
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from apps.rendering.limits import Limits
from apps.rendering.model import Failure, RenderError
from apps.rendering.sandbox import bubblewrap, enclosure, usage
from apps.rendering.sandbox.commands import Command, World, in_the_open, shut_in
from apps.rendering.sandbox.plans import Plan
from apps.rendering.toolbox import Method, Toolbox
from apps.rendering.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
logger = logging.getLogger(__name__)
_CHUNK = 1 << 16
_ERROR_KEPT = 32_768
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 10
_OPEN_FILES = 1024
_CPU_SIGNAL, _KILLED = 128 + signal.SIGXCPU, 128 + signal.SIGKILL
_NO_MEMORY = re.compile(rb"^(?:fatal error: )?runtime: (?:out of memory|cannot allocate memory)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a tool left. Of a long error output the beginning and the end are kept. Nothing here was cleaned."""

    stdout: bytes
    stderr: bytes
    returncode: int


def run_as(
    command: Command, workspace: Workspace, limits: Limits, method: Method | None, toolbox: Toolbox
) -> Completed:
    """Run it in this way (``None``: in the open). Raises ``TIMEOUT``, ``TOO_LARGE`` or ``NOT_ISOLATED``."""
    seen = in_the_open if method is None else shut_in
    world = seen(command, workspace, toolbox.surroundings)
    name = command.program.name
    with _keeper(world, workspace, limits, method, toolbox) as (process, status):
        watch = _Watch(process, status, limits, name, workspace.scratch if method is None else None)
        stdout, stderr, said = watch.collect()
    done = _Facts.read(said)
    if done.failed or (method is Method.BUBBLEWRAP and done.code == 1 and stderr.startswith(b"bwrap: ")):
        logger.warning(
            "the enclosure for %s could not be made: %s", name, done.failed or stderr.decode("utf-8", "replace")
        )
        text = f"The enclosure for {name} could not be made on this server; its log says why."
        raise RenderError(Failure.NOT_ISOLATED, text)
    if done.code == _CPU_SIGNAL:
        raise RenderError(
            Failure.TIMEOUT, f"{name} used more than {limits.cpu} seconds of processor time and was ended."
        )
    if done.code == _KILLED or (done.code and _NO_MEMORY.search(stderr)):
        raise RenderError(Failure.TOO_LARGE, f"{name} needed more memory than it may have and was ended.")
    return Completed(stdout, stderr, done.code)


@dataclass(frozen=True, slots=True)
class _Facts:
    code: int
    failed: str

    @classmethod
    def read(cls, said: bytes) -> _Facts:
        """The keeper's first word counts; none at all is a failure."""
        for line in said.splitlines():
            what, _, rest = line.decode("utf-8", "replace").partition(" ")
            return cls(int(rest), "") if what == "code" else cls(127, rest or "the keeper failed")
        return cls(127, "the keeper ended without a word")


@contextmanager
def _keeper(
    world: World, workspace: Workspace, limits: Limits, method: Method | None, toolbox: Toolbox
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    reader, writer = os.pipe()
    plan = marshal.dumps(dict(_plan(world, workspace, limits, method, toolbox, writer)))
    line = [sys.executable, "-I", "-S", "-B", "-c", enclosure.START, str(ROOT)]
    with os.fdopen(reader, "rb") as status:
        try:
            process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env={},
                pass_fds=(writer,), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(writer)
        try:
            _tell(process, plan)
            yield process, status
        finally:
            _end(process)


def _tell(process: subprocess.Popen[bytes], plan: bytes) -> None:
    """By a pipe: arguments are read by everybody on the machine, and the environment of a command may hold credentials."""
    assert process.stdin is not None  # noqa: S101 - it was opened as a pipe
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(plan)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The keeper takes everything with it and is collected; a keeper that does not is killed, and the kernel does."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _plan(
    world: World, workspace: Workspace, limits: Limits, method: Method | None, toolbox: Toolbox, status: int
) -> Plan:
    numbers = {"core": 0, "open_files": _OPEN_FILES, "cpu": limits.cpu, "file_size": limits.file_size}
    numbers["address_space"] = limits.address_space
    command, directory = world.command, world.directory
    if method is Method.NAMESPACES:
        numbers["processes"] = limits.processes
    elif method is Method.BUBBLEWRAP:
        counted = ["/usr/bin/prlimit", f"--nproc={limits.processes}", "--", *world.command]
        command = bubblewrap.command_line(
            str(toolbox.find("bwrap")), counted, directory=directory,
            binds=world.binds, links=world.links, scratch=limits.scratch, around=toolbox.surroundings,
            network=world.network,
        )  # fmt: skip
        directory = "/"
    return {
        "method": "" if method is None else method.value, "command": command, "environment": world.environment,
        "directory": directory, "root": str(workspace.mount_point), "binds": world.binds, "links": world.links,
        "network": world.network, "limits": numbers, "scratch": limits.scratch, "scratch_files": limits.scratch_files,
        "host": toolbox.surroundings.host, "home": toolbox.surroundings.home, "user": 1_000_000_000 + secrets.randbelow(1_000_000_000), "status": status, "parent": os.getpid(),
    }  # fmt: skip


class _Watch:
    """Reads what a run writes, and looks at what it holds, until it ends or one limit is passed."""

    def __init__(
        self, process: subprocess.Popen[bytes], status: IO[bytes], limits: Limits, name: str, scratch: Path | None
    ) -> None:
        self.process, self.limits, self.name, self.scratch = process, limits, name, scratch
        self.streams: dict[Any, bytearray] = {
            process.stdout: bytearray(),
            process.stderr: bytearray(),
            status: bytearray(),
        }
        self.error_bytes = 0
        self.deadline = time.monotonic() + limits.wall

    def collect(self) -> tuple[bytes, bytes, bytes]:
        """Standard output, error output, and what the keeper said. Raises ``TIMEOUT`` or ``TOO_LARGE``."""
        looked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for stream in self.streams:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(_LOOK_SECONDS):
                    self._drain(key.fileobj, selector)
                now = time.monotonic()
                if now >= self.deadline:
                    text = f"{self.name} did not finish within {self.limits.wall:g} seconds and was ended."
                    raise RenderError(Failure.TIMEOUT, text)
                if now - looked >= _LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
        stdout, stderr, said = map(bytes, self.streams.values())
        return stdout, stderr, said

    def _drain(self, stream: Any, selector: selectors.BaseSelector) -> None:
        data = os.read(stream.fileno(), _CHUNK)
        if not data:
            selector.unregister(stream)
            return
        kept = self.streams[stream]
        kept += data
        if stream is self.process.stderr:
            self.error_bytes += len(data)
            if len(kept) > 2 * _ERROR_KEPT:
                del kept[_ERROR_KEPT:-_ERROR_KEPT]
        if max(len(kept), self.error_bytes) > self.limits.output:
            self._refuse(f"wrote more than {_in_words(self.limits.output)} of output")

    def _look(self) -> None:
        limits = self.limits
        held = usage.of_run(self.process.pid, self.scratch, limits.processes + 2)
        if held.memory > limits.memory:
            self._refuse(f"held more than {_in_words(limits.memory)} of memory")
        if held.processes > limits.processes:
            self._refuse(f"started more than {limits.processes} processes")
        if held.files > limits.scratch_files or held.written > limits.scratch:
            self._refuse(f"wrote more than {limits.scratch_files:,} files or {_in_words(limits.scratch)}")

    def _refuse(self, what: str) -> None:
        raise RenderError(Failure.TOO_LARGE, f"{self.name} {what} and was ended.")


def _in_words(size: int) -> str:
    return f"{size / (1 << 20):,.4g} MiB"
