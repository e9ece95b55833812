"""Searching a model in Promela with Spin (spinroot.com), in a folder of the test's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def searched(
    folder: Path, model: Path, *defines: str, kinds: tuple[str, ...] = (), arguments: tuple[str, ...] = ()
) -> str:
    """What the search of ``model`` with ``defines`` printed; it stops at the first error. Skips, loudly, where there is no Spin."""
    for name in ("spin", "gcc"):
        if shutil.which(name) is None:
            pytest.skip(f"NOT RUN: there is no {name} (apt-get install spin gcc)")
    flags = [f"-D{name}" for name in defines]
    subprocess.run(["spin", "-a", *flags, str(model)], cwd=folder, check=True, capture_output=True, timeout=60)
    # An error is found within a second: no need to compile well for that.
    level = "-O0" if defines and defines[-1].startswith(("NO_", "ONLY_", "REACHES")) else "-O2"
    gcc = ["gcc", level, "-w", "-DSAFETY", "-DNOFAIR", *(kinds or ("-DCOLLAPSE",)), "-o", "search", "pan.c"]
    subprocess.run(gcc, cwd=folder, check=True, capture_output=True, timeout=120)
    command = ["./search", "-m10000", *(arguments or ("-w22",))]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=24 * 3600)
    return done.stdout


def errors(said: str) -> int:
    assert "max search depth too small" not in said
    found = re.search(r"errors: (\d+)", said)
    assert found, said[-2000:]
    return int(found[1])
