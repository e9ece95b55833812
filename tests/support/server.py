"""The portal as it is run: one server process with the embedded engine, its own data, reached by HTTP."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.support import schema

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"
START_SECONDS = 60
BUSY_ANSWERS = 10
"""How often who is told to ask again, because the Git host could not be looked at just now, does so."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _migrated() -> Path:
    if copy := schema.known():
        return copy
    place = Path(tempfile.mkdtemp(prefix="portal-migrated-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    PortalServer(place, local_dirs=[]).manage("migrate", "--verbosity", "0")
    return place / "portal.sqlite3"


class PortalServer:
    """``start()`` migrates and serves; ``stop()`` ends it; what it writes stays in ``data_dir``."""

    application = "gitops_portal.asgi:application"

    def __init__(self, data_dir: Path, *, local_dirs: list[Path], environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, httpx.Client] = {}
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "LANG": "C.UTF-8",
            "PORTAL_DATA_DIR": str(data_dir),
            "PORTAL_LOCAL_REPOSITORY_DIRS": ":".join(map(str, local_dirs)),
            "PORTAL_POLL_SECONDS": "2",
            "PORTAL_LEASE_SECONDS": "2",
            "PORTAL_STEP_WRITABLE": tempfile.gettempdir(),
            "PORTAL_STEPS_UNFENCED": "1",
            "PORT": str(self.port),
            "PYTHONWARNINGS": "ignore",
            **(environment or {}),
        }

    @property
    def pid(self) -> int:
        """The server process, while it runs."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> PortalServer:
        self.migrate()
        return self.serve()

    def migrate(self) -> None:
        """All tables, in a copy of one SQLite file that was migrated for all servers of this process."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self.environment.get("DATABASE_URL"):
            self.manage("migrate", "--verbosity", "0")
        else:
            shutil.copy(_migrated(), self.data_dir / "portal.sqlite3")

    def serve(self) -> PortalServer:
        """Start the server process and wait until it answers."""
        command = [sys.executable, "-m", "uvicorn", self.application, "--port", str(self.port)]
        command += ["--log-level", "warning"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/accounts/login/", timeout=10).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"the portal did not start:\n{self.log.read_text()[-4000:]}")

    def crash(self) -> None:
        """kill -9 of the server process, and another in its place; those who talk to it ask again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=20)
        self.serve()

    def stop(self, *, kill: bool = False) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(timeout=20)
            self._process = None

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Output of a management command on this portal's data."""
        return self.run("manage.py", *arguments, stdin=stdin)

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Output of a Python program (or ``-m`` module) that works on this portal's data."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def person(self, name: str, *flags: str) -> None:
        """An account with the verified address NAME@example.org and :data:`PASSWORD`."""
        self.manage("create_user", name, "--email", f"{name}@example.org", *flags, stdin=f"{PASSWORD}\n")

    def api(self, name: str) -> Api:
        """The API as ``name`` sees it."""
        if name not in self._clients:
            token = self.manage("create_token", name)
            headers = {"Authorization": f"Bearer {token}"}
            self._clients[name] = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)
        return Api(self._clients[name])


class Api:
    """Calls that expect a status and return the JSON body."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> Any:
        return self._checked(self.client.get(path), status)

    def post(self, path: str, body: Mapping[str, Any] | None = None, status: int = 200, **headers: str) -> Any:
        answer = self.client.post(path, json=dict(body or {}), headers=headers)
        for _ in range(BUSY_ANSWERS):
            if answer.status_code != 503 or "not_looked" not in answer.text or status == 503:
                break
            time.sleep(1)
            answer = self.client.post(path, json=dict(body or {}), headers=headers)
        return self._checked(answer, status)

    def put(self, path: str, body: Mapping[str, Any], status: int = 200) -> Any:
        return self._checked(self.client.put(path, json=dict(body)), status)

    def until(self, path: str, wanted: Any, seconds: float = 60) -> Any:
        """GET ``path`` until ``wanted(body)`` is true."""
        deadline = time.monotonic() + seconds
        body: Any = None
        while time.monotonic() < deadline:
            body = self.get(path)
            if wanted(body):
                return body
            time.sleep(0.1)
        raise AssertionError(f"{path} never became what was expected; last answer: {body}")

    @staticmethod
    def _checked(response: httpx.Response, status: int) -> Any:
        assert response.status_code == status, (
            f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:2000]}"
        )
        kind = response.headers.get("content-type", "")
        return response.json() if "json" in kind else response.text
