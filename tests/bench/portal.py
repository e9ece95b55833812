"""The portal under measurement: a real server process, and people who are signed in by their session cookie."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode

from tests.bench.measuring import Plan
from tests.bench.workloads import bare_repository
from tests.support.server import PASSWORD, PortalServer

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
IDLE_SECONDS = 3.0


class Person:
    """Somebody's browser: one connection that stays open, and cookies. Lean, so that what is measured is the server."""

    def __init__(self, server: PortalServer, name: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self.cookies: dict[str, str] = {}
        self.used_at = 0.0
        page = self.get("/accounts/login/").decode()
        token = _TOKEN.search(page)
        assert token, "the sign-in page has no form"
        form = {"csrfmiddlewaretoken": token[1], "login": name, "password": PASSWORD}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"{server.url}/accounts/login/"}
        self._ask("POST", "/accounts/login/", body=urlencode(form), headers=headers, status=302)
        assert "sessionid" in self.cookies, "signing in set no session"

    def get(self, path: str, *, fragment: bool = False) -> bytes:
        """The body of a page, or of the fragment that htmx would ask for; the answer must be 200."""
        return self._ask("GET", path, headers={"HX-Request": "true"} if fragment else {})

    def _ask(self, method: str, path: str, *, headers: dict[str, str], body: str = "", status: int = 200) -> bytes:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if time.monotonic() - self.used_at > IDLE_SECONDS:
            self.connection.close()  # the server would have done so; the next request opens it anew
        self.connection.request(method, path, body=body or None, headers={**headers, "Cookie": cookie})
        response = self.connection.getresponse()
        answer = response.read()
        self.used_at = time.monotonic()
        for header in response.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        assert response.status == status, f"{method} {path}: {response.status} {answer[:500]!r}"
        return answer

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()


@contextmanager
def served(place: Path, *, application: str = "", **environment: str) -> Iterator[PortalServer]:
    """A new portal with its data below ``place``; repositories may be connected from there."""
    place.mkdir(parents=True, exist_ok=True)
    environment = {"PORTAL_POLL_SECONDS": "3600", "PORTAL_LEASE_SECONDS": "30", **environment}
    server = PortalServer(place / "data", local_dirs=[place], environment=environment)
    server.application = application or server.application
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def another_process(server: PortalServer, **environment: str) -> Iterator[PortalServer]:
    """A second server process on the same data."""
    twin = PortalServer(server.data_dir, local_dirs=[], environment={**server.environment, **environment})
    twin.environment["PORT"] = str(twin.port)
    twin.serve()
    try:
        yield twin
    finally:
        twin.stop()


def changes_of(server: PortalServer, place: Path, name: str, workload: str, variants: int, plan: Plan) -> list[int]:
    """A repository ``name`` with one change per variant of a workload; the numbers of the changes."""
    bare = place / f"{name}.git"
    bare_repository(bare, workload, variants, scale=0.05 if plan.quick else 1.0)
    return connected(server, bare, name, variants)


def connected(server: PortalServer, bare: Path, name: str, variants: int) -> list[int]:
    """One change for each branch ``variant-N`` of ``bare``, made as people make them; their numbers."""
    server.api("carol").post("/repositories/", {"name": name, "url": str(bare), "members": {"alice": "author"}}, 201)
    alice = server.api("alice")
    bodies = [
        {"repository": name, "title": f"Variant {at}", "source_branch": f"variant-{at}"} for at in range(variants)
    ]
    return [alice.post("/changes/", body, 201)["number"] for body in bodies]
