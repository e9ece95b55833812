"""One question to a process of its own (:mod:`~apps.policies.rego.child`), and what became of it."""

from __future__ import annotations

import marshal
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from apps.policies.rego.child import ANSWERED, BETWEEN, CPU_SECONDS, MEMORY, MOST_ANSWER, REFUSED, START

WALL_SECONDS = 4
AT_ONCE = 2
"""Processes at once, so that a module that eats what it may does not multiply by the requests that wait for it."""
QUEUE_SECONDS = 10
_ENVIRONMENT = {
    "RUST_BACKTRACE": "0",  # looking up the names of its own functions takes the library longer than the question
    "MIMALLOC_ARENA_RESERVE": "0",  # else it reserves 1 GiB at its start, and no limit of memory means anything
}
_ROOT = Path(__file__).resolve().parents[3]
_WORDS = re.compile(r"^error: (.*)$", re.MULTILINE)
_PLACE = re.compile(r"^--> (.*):(\d+):(\d+)$", re.MULTILINE)
_MOST_WORDS = 300
_slots = threading.BoundedSemaphore(AT_ONCE)


class RegoFailed(Exception):
    """No answer. ``is_theirs``: it is the modules' own doing, and would be so again; else of this server, at this moment."""

    def __init__(self, message: str, *, is_theirs: bool, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message, self.is_theirs = message, is_theirs
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        return f"{self.message} ({self.file}:{self.line})" if self.file else self.message


def ask(modules: Sequence[tuple[str, str]], rules: Sequence[str], given: str) -> str:
    """The values of ``rules`` (full names) as one JSON object; of no rules: the inspection of the modules.

    ``modules`` are names with texts, ``given`` is the input as JSON. Raises :class:`RegoFailed`.
    """
    return ask_each(modules, rules, [given])[0]


def ask_each(modules: Sequence[tuple[str, str]], rules: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """As :func:`ask`, for several inputs in one process: all of them together have the time, memory and answer of one.

    What goes wrong with one of them goes wrong with all.
    """
    question: Mapping[str, object] = {
        "libraries": _libraries(),
        "modules": list(modules),
        "rules": list(rules),
        "inputs": list(inputs),
    }
    if not _slots.acquire(timeout=QUEUE_SECONDS):
        raise RegoFailed("too many other modules were being evaluated", is_theirs=False)
    try:
        said, code, is_late = _run(marshal.dumps(dict(question)))
    except OSError as error:
        raise RegoFailed(f"no process could be started for it ({error.strerror})", is_theirs=False) from None
    finally:
        _slots.release()
    how, _, body = said.partition(b"\n")
    if code == 0 and how == ANSWERED.encode():
        return body.decode().split(BETWEEN)
    if code == 0 and how == REFUSED.encode():
        raise _refused(body.decode("utf-8", "replace"))
    raise _ended(code, is_late=is_late)


@lru_cache(maxsize=1)
def _libraries() -> str:
    """The folder of the library, without importing it here."""
    found = find_spec("regorus")
    if found is None or not found.origin:
        raise RegoFailed(
            "this server cannot evaluate Rego: the package gordon-to-regorus is not installed (pip install gordon-to-regorus)",
            is_theirs=False,
        )
    return str(Path(found.origin).parent.parent)


def _run(question: bytes) -> tuple[bytes, int, bool]:
    """What it wrote (a little more than may be at most), how it ended, and whether it had to be ended."""
    late = threading.Event()
    with tempfile.TemporaryFile() as plan:
        plan.write(question)
        plan.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", START, str(_ROOT)],
            stdin=plan, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env=_ENVIRONMENT,
            start_new_session=True,
        )  # fmt: skip

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(WALL_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        with process:
            assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
            said = process.stdout.read(MOST_ANSWER + 64)
            if len(said) >= MOST_ANSWER + 64:
                process.kill()
    finally:
        timer.cancel()
    return said, process.returncode, late.is_set()


def _refused(words: str) -> RegoFailed:
    found, place = _WORDS.search(words), _PLACE.search(words)
    message = " ".join((found.group(1) if found else words).split())[:_MOST_WORDS]
    if "recursion depth" in message:
        message = "it is nested too deeply"
    if place is None:
        return RegoFailed(message or "the library gave no reason", is_theirs=True)
    return RegoFailed(
        message, is_theirs=True, file=place.group(1), line=int(place.group(2)), column=int(place.group(3))
    )


def _ended(code: int, *, is_late: bool) -> RegoFailed:
    if is_late:
        return RegoFailed(f"it did not end within {WALL_SECONDS} seconds", is_theirs=False)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return RegoFailed(f"it used more than {CPU_SECONDS} second of processor time", is_theirs=True)
    if code == -signal.SIGSEGV:
        return RegoFailed("it calls itself without end, or is nested too deeply", is_theirs=True)
    return RegoFailed(
        f"it needed more than {MEMORY >> 20} MiB of memory, or broke the library ({code})", is_theirs=True
    )
