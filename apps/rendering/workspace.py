"""A private directory for one run, gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.rendering.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Workspace:
    """``input`` is what tools see; ``scratch`` is written by tools that are not shut in, only."""

    root: Path

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def mount_point(self) -> Path:
        """Where the world of a run is put together; in a namespace of its own, so it stays empty here."""
        return self.root / "world"


@contextmanager
def private_workspace(toolbox: Toolbox) -> Iterator[Workspace]:
    """Under a random name, for nobody else (0700); its insides may be read by whom the sandbox lets in."""
    if toolbox.workspaces is not None:
        toolbox.workspaces.mkdir(parents=True, exist_ok=True, mode=0o700)
    root = Path(tempfile.mkdtemp(prefix="rendering-", dir=toolbox.workspaces)).resolve()
    workspace = Workspace(root)
    try:
        for folder in (workspace.input, workspace.scratch, workspace.mount_point):
            folder.mkdir()
            folder.chmod(0o755)
        yield workspace
    finally:
        remove(root)


def remove(root: Path) -> None:
    """Whole, even where permissions were taken away. Raises ``OSError`` if something stays."""

    def again(function: Callable[..., Any], path: str, _error: object) -> None:
        with suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)  # noqa: PTH101, PTH120
            if not os.path.islink(path):  # noqa: PTH114
                os.chmod(path, 0o700)  # noqa: PTH101
        if function in {os.scandir, os.open, os.lstat}:
            shutil.rmtree(path, onerror=again)
            return
        function(path)

    shutil.rmtree(root, onerror=again)
