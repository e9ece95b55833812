"""Which way of shutting tools in works on this machine, found by trying it; and the one way to run a tool."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from apps.rendering.limits import Limits
from apps.rendering.model import Failure, RenderError
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.running import Completed, run_as
from apps.rendering.sandbox.trials import Trials
from apps.rendering.toolbox import Method, Toolbox
from apps.rendering.workspace import Workspace, private_workspace

_TRIAL = """
test -r /input/there && test ! -e /etc/passwd && test ! -e "$0" || exit 3
(: > /input/written) 2>/dev/null && exit 4
(: > /usr/written) 2>/dev/null && exit 5
test -z "$(ls /sys/class/net 2>/dev/null)" || exit 6
: > /tmp/written || exit 7
test "$$" -lt 100 || exit 8
echo shut in
"""
_LIMITS = Limits(wall=15, cpu=5, output=1 << 16)
_trials = Trials()


class Level(StrEnum):
    ISOLATED = "isolated"
    OPEN = "open"
    """Tools run with the network and the files of the portal's own user, because an administrator allowed it."""

    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Isolation:
    """How tools are run here; ``words`` for pages."""

    level: Level
    words: str
    method: Method | None = None


_WORDS = {
    Method.BUBBLEWRAP: "Tools run shut in by bubblewrap: no network, no credentials, no file of this server but their input.",
    Method.NAMESPACES: "Tools run shut in by namespaces of the kernel: no network, no credentials, no file of this server "
    "but their input.",
}
_OPEN = (
    "Tools run without isolation: what a repository makes them do happens with the network and the files of the portal "
    "itself. An administrator has allowed this."
)
_REFUSED = (
    "Tools can not be shut in on this server, so nothing is rendered with them. Install bubblewrap, or let the portal make "
    "namespaces; an administrator may allow tools to run without isolation where everybody who can push is trusted."
)


def isolation(toolbox: Toolbox) -> Isolation:
    """What works, tried once a process (what failed: once a minute).

    Root tries our own first: it can give each run a user of its own, which bubblewrap can not.
    """
    for method in sorted(toolbox.methods, key=lambda each: os.geteuid() == 0 and each is not Method.NAMESPACES):
        if _works(method, toolbox):
            return Isolation(Level.ISOLATED, _WORDS[method], method)
    return Isolation(Level.OPEN, _OPEN) if toolbox.allow_unisolated else Isolation(Level.REFUSED, _REFUSED)


def run(command: Command, workspace: Workspace, limits: Limits, toolbox: Toolbox) -> Completed:
    """Run a tool on the input of a workspace; whatever it exits with is the caller's to judge.

    Raises ``NOT_ISOLATED`` (it did not run), ``TIMEOUT`` or ``TOO_LARGE`` (it was ended, with everything it had started).
    """
    found = isolation(toolbox)
    if found.level is Level.REFUSED:
        raise RenderError(Failure.NOT_ISOLATED, found.words)
    return run_as(command, workspace, limits, found.method, toolbox)


def _works(method: Method, toolbox: Toolbox) -> bool:
    key = (
        method,
        toolbox.workspaces,
        os.geteuid(),
        toolbox.programs.get("bwrap"),
        toolbox.folders,
        toolbox.search_path,
    )
    return _trials.works(key, lambda: _try(method, toolbox))


def _try(method: Method, toolbox: Toolbox) -> bool:
    try:
        with private_workspace(toolbox) as workspace:
            (workspace.input / "there").touch()
            shell = Command(Path("/bin/sh").resolve(), ("-c", _TRIAL, str(workspace.input / "there")))
            done = run_as(shell, workspace, _LIMITS, method, replace(toolbox, allow_unisolated=False))
    except (RenderError, OSError):
        return False
    return done.returncode == 0 and done.stdout == b"shut in\n"
