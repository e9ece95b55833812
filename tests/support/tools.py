"""Toolboxes of tests, with the real tools; a test that needs one that is not there says NOT RUN."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from apps.rendering.model import RenderError
from apps.rendering.sandbox.isolation import Level, isolation
from apps.rendering.toolbox import Method, Toolbox

ROOT = Path(__file__).resolve().parents[2]
SHELL = Path("/bin/sh").resolve()


def toolbox(*needed: str, **changes) -> Toolbox:
    """Shut in where that works on this machine, else in the open (tests run only what they wrote)."""
    box = Toolbox(**{"folders": (ROOT / ".tools",), "allow_unisolated": True, **changes})
    for name in needed:
        try:
            box.find(name)
        except RenderError as error:
            pytest.skip(f"NOT RUN: {error.message} (make tools)")
    return box


def only(method: Method | None, **changes) -> Toolbox:
    """A toolbox that runs tools in this one way; skips where this machine can not."""
    if method is None:
        return toolbox(methods=(), **changes)
    box = toolbox(methods=(method,), allow_unisolated=False, **changes)
    if isolation(box).level is not Level.ISOLATED:
        pytest.skip(f"NOT RUN: {method.value} can shut nothing in on this machine")
    return box


def system_python() -> str:
    """A Python that an ordinary user may run, for tests that give root away."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("NOT RUN: only root with setpriv can try what an ordinary user may")
    found = Path("/usr/bin/python3")
    if not found.exists():
        pytest.skip("NOT RUN: no Python that every user may run")
    return str(found)


def checkers() -> Toolbox:
    """A toolbox with the checkers of manifests and templates, shut in where that works."""
    box = toolbox(checks=ROOT / ".tools" / "checks")
    if not (ROOT / ".tools" / "checks" / ".version").exists():
        pytest.skip("NOT RUN: the checkers are not installed (make checks)")
    return box
