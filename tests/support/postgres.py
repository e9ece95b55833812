"""A PostgreSQL server of a test's own, to be restarted and stopped under load."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.server import free_port


def binaries() -> Path:
    """Where ``initdb`` and ``pg_ctl`` are; a loud skip where they are not."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places or not (places[-1] / "initdb").exists():
        pytest.skip("NOT RUN: no PostgreSQL server is installed (initdb, pg_ctl)")
    return places[-1]


class Cluster:
    """Context manager. The server writes through to the disk as a real one does, so what it committed survives."""

    def __init__(self) -> None:
        # Not below pytest's directories: those are closed to the user as whom the server runs.
        self.place, self.port = Path(tempfile.mkdtemp(prefix="portal-postgres-")), free_port()
        self.bin = binaries()
        self.person: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to be root
            person = pwd.getpwnam("postgres")
            self.person = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
            os.chown(self.place, person.pw_uid, person.pw_gid)

    @property
    def url(self) -> str:
        """Of the database ``portal``."""
        return f"postgresql://portal@127.0.0.1:{self.port}/portal"

    def __enter__(self) -> Self:
        self._run("initdb", "-D", str(self.place / "data"), "-U", "portal", "--auth=trust", "-E", "UTF8", "--locale=C")
        self._control("start")
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "portal", "portal")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop", "-m", "immediate", is_checked=False)
        shutil.rmtree(self.place, ignore_errors=True)

    def restart(self, mode: str = "immediate") -> None:
        """``immediate`` is a crash: every connection is cut, and the server recovers from its log."""
        self._control("restart", "-m", mode)

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        self._control("start")

    def _control(self, action: str, *more: str, is_checked: bool = True) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.place}"
        log = str(self.place / "log")
        self._run("pg_ctl", "-D", str(self.place / "data"), "-w", "-l", log, "-o", options, action, *more,
                  is_checked=is_checked)  # fmt: skip

    def _run(self, name: str, *words: str, is_checked: bool = True) -> None:
        done = subprocess.run(
            [str(self.bin / name), *words], cwd="/", capture_output=True, text=True, check=False, **self.person
        )
        assert done.returncode == 0 or not is_checked, done.stdout + done.stderr
