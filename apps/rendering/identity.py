"""Which program rendered: its version and the digest of the file that ran."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

from apps.rendering.model import Failure, RenderError, ToolIdentity
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import private_workspace

_VERSION = re.compile(r"v?\d+\.\d+\.\d+[0-9A-Za-z.+-]*")
_known: dict[tuple[str, int, int, int], ToolIdentity] = {}
_lock = threading.Lock()


def identity_of(name: str, arguments: tuple[str, ...], toolbox: Toolbox) -> ToolIdentity:
    """Asked once for each file that the program is; ``arguments`` make it print its version.

    Raises ``MISSING_TOOL``, also for a program that does not run.
    """
    program = toolbox.find(name)
    facts = program.stat()
    key = (str(program), facts.st_ino, facts.st_mtime_ns, facts.st_size)
    with _lock:
        if key not in _known:
            version = _version(name, Command(program, arguments), toolbox)
            _known[key] = ToolIdentity(name, version, _digest(program))
        return _known[key]


def _version(name: str, command: Command, toolbox: Toolbox) -> str:
    with private_workspace(toolbox) as workspace:
        done = run(command, workspace, toolbox.limits, toolbox)
    found = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or found is None:
        raise RenderError(Failure.MISSING_TOOL, f"The program {name} does not tell its version, so it is not used.")
    return found.group().removeprefix("v")


def _digest(program: Path) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
