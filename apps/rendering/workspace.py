"""A private directory for one run, gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.rendering.model import Failure, RenderError
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.toolbox import Toolbox

_PREFIX = "rendering-"


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

    def put(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """Write one file of the input, which must not be there and not lie behind a link. Raises ``REFUSED``."""
        place = self.place(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)

    def place(self, path: str) -> Path:
        """Where a path of the repository goes, with its folders made, readable for whom the sandbox lets in."""
        at = self.input
        *folders, name = path.split("/")
        for folder in folders:
            at /= folder
            if at.is_symlink() or (at.exists() and not at.is_dir()) or folder in {"", ".", ".."}:
                raise RenderError(
                    Failure.REFUSED, f"“{clean_message(path)[:200]}” lies behind a symbolic link.", path=path
                )
            if not at.exists():
                at.mkdir()
                at.chmod(0o755)
        return at / name


@contextmanager
def private_workspace(toolbox: Toolbox) -> Iterator[Workspace]:
    """Under a random name, for nobody else (0700); its insides may be read by whom the sandbox lets in."""
    if toolbox.workspaces is not None:
        toolbox.workspaces.mkdir(parents=True, exist_ok=True, mode=0o700)
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=toolbox.workspaces)).resolve()
    workspace = Workspace(root)
    try:
        for folder in (workspace.input, workspace.scratch, workspace.mount_point):
            folder.mkdir()
            folder.chmod(0o755)
        yield workspace
    finally:
        remove(root)


def remove_stale(toolbox: Toolbox, seconds: float = 3_600) -> int:
    """Remove what killed portals have left behind; how many. Runs last for minutes, so an hour is not in use."""
    folder = toolbox.workspaces or Path(tempfile.gettempdir())
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.is_dir() and not path.is_symlink()]
    stale = [
        path for path in found if path.stat().st_uid == os.geteuid() and time.time() - path.stat().st_mtime > seconds
    ]
    for path in stale:
        remove(path)
    return len(stale)


def remove(root: Path) -> None:
    """Whole, even where permissions were taken away. Raises ``OSError`` if something stays."""
    left = [str(root)]
    while left:
        folder = left.pop()
        os.chmod(folder, 0o700)  # noqa: PTH101 - not the folders below: those are looked at one by one
        with os.scandir(folder) as entries:
            left += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    shutil.rmtree(root)
