"""The engine as real processes on the test's own database, to be killed without a chance to tidy up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """Where the present test's tables are, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    # A host may be a directory (a Unix socket), given as HOST or as ?host= of the URL.
    host = quote(values["HOST"] or values["OPTIONS"].get("host", ""), safe="")
    host += f":{values['PORT']}" if values["PORT"] else ""
    credentials = values["USER"] + (f":{values['PASSWORD']}" if values["PASSWORD"] else "")
    return f"postgresql://{credentials}@{host}/{values['NAME']}"


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "gitops_portal.settings",
        "DATABASE_URL": database_url(),
        "PORTAL_DATA_DIR": str(settings.PORTAL_DATA_DIR),
        "PORTAL_SECRET_KEY": settings.SECRET_KEY,
        "PORTAL_ENCRYPTION_KEY": settings.PORTAL_ENCRYPTION_KEY,
        "PORTAL_AUDIT_KEY": settings.PORTAL_AUDIT_KEY,
        "PORTAL_LOCAL_REPOSITORY_DIRS": str(tmp_path),
        "PORTAL_LEASE_SECONDS": "1",
        "PORTAL_STEP_GRACE_SECONDS": "0.3",
        "PORTAL_STEP_WRITABLE": tempfile.gettempdir(),
        "PORTAL_STEPS_UNFENCED": "1",
        "PORTAL_POLL_SECONDS": "1",
        "PORTAL_ENGINE": "embedded",
        "PORTAL_AUDIT_PUBLISH": "false",
        **more,
    }


class Process:
    """One command of the portal; killed at the end whatever happens."""

    def __init__(self, tmp_path: Path, *command: str, ready: str = "", **more: str) -> None:
        self.log = tmp_path / f"process-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=environment(tmp_path, **more), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        if ready:
            wait_until(lambda: ready in self.log.read_text(errors="replace") or self.process.poll() is not None, 60)
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """kill -9 of the whole session of the process, as the kernel does when memory ends."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask politely; the exit status."""
        self.process.terminate()
        return self.process.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def engine(tmp_path: Path) -> Process:
    return Process(tmp_path, "manage.py", "run_engine", ready="Engine runs")


def wait_until(is_so: Callable[[], Any], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"not so after {seconds} s"
        time.sleep(0.05)
