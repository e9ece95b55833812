"""Runs the Python of a checker shut in, with its packages from a folder of their own."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from apps.rendering.limits import Limits
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.sandbox.running import Completed
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import Workspace

_INSIDE = Path(__file__).resolve().parent / "inside"
_SCRIPT = 'exec "$0" -I -S -B "$@"'
_OUTPUT = 8 << 20


def version_of(package: str, toolbox: Toolbox) -> str:
    """The version of an installed checker; empty where there is none."""
    if toolbox.checks is None:
        return ""
    found = sorted(toolbox.checks.glob(f"{package.replace('-', '_')}-*.dist-info"))
    return found[-1].name.removesuffix(".dist-info").rpartition("-")[2] if found else ""


def not_installed(package: str) -> str:
    """The sentence for pages."""
    return f"{package} is not installed on this server (make checks puts it there)."


def run_inside(script: str, arguments: tuple[str, ...], workspace: Workspace, toolbox: Toolbox) -> Completed:
    """Run ``inside/SCRIPT`` with the portal's own Python. Raises what :func:`~apps.rendering.sandbox.isolation.run` does.

    It gets the packages of the checkers, and nothing that is installed for the portal.
    """
    assert toolbox.checks is not None  # noqa: S101 - version_of has found something in it
    python = f"{{folders}}/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    folders = {"python": Path(sys.base_prefix).resolve(), "checks": toolbox.checks.resolve(), "inside": _INSIDE}
    command = Command(
        Path("/bin/sh").resolve(),
        ("-c", _SCRIPT, python, f"{{folders}}/inside/{script}", "{folders}/checks", *arguments),
        environment={"LD_LIBRARY_PATH": "{folders}/python/lib"},
        folders=folders,
    )
    return run(command, workspace, _limits(toolbox), toolbox)


def _limits(toolbox: Toolbox) -> Limits:
    return replace(toolbox.limits, output=_OUTPUT)


def answer_of(done: Completed, name: str) -> Json:
    """What a script of ours printed. Raises ``DEFECT`` without quoting what it said, which can hold values."""
    try:
        if done.returncode == 0:
            return json.loads(done.stdout)
    except (ValueError, RecursionError):
        pass
    raise RenderError(Failure.DEFECT, f"{name} ended without an answer (code {done.returncode}).")
