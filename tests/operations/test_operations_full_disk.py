"""K18 for people: a portal whose data volume has no free block is read, and refuses what it cannot write."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.stories.scenes import Scene
from tests.support.engine_process import wait_until
from tests.support.server import Api, PortalServer
from tests.support.small_disk import fill, small_disk

pytestmark = pytest.mark.slow
PORTAL_YAML = "apiVersion: portal/v1\nenvironments: {staging: {}}\n"
PEOPLE = """
from tests.support.people import person
for name in ("alice", "bob", "kim", "dave"):
    person(name)
person("carol", can_connect_repositories=True)
"""


def test_a_portal_on_a_full_disk_is_read_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    with small_disk(tmp_path / "data") as data:
        server = PortalServer(data, local_dirs=[repositories])
        server.log = tmp_path / "server.log"
        server.start()
        try:
            server.manage("shell", "-v", "0", "-c", PEOPLE)
            scene = Scene.open((server, repositories), "infra", {".gitops/portal.yaml": PORTAL_YAML})
            number = scene.propose("one", {"one.txt": "1\n"})
            alice = scene.api("alice")
            filler = fill(data)
            wait_until(lambda: _data(server) == "full")
            assert httpx.get(f"{server.url}/readyz").status_code == 200
            assert alice.get(f"/changes/{number}/")["number"] == number
            assert "one.txt" in str(alice.get(f"/changes/{number}/diff/"))
            assert httpx.get(f"{server.url}/accounts/login/").status_code == 200
            assert _written_until_refused(alice, number) == 503
            filler.unlink()
            wait_until(lambda: _data(server) == "ok")
            alice.post(f"/changes/{number}/threads/", {"body": "There is room again."}, status=201)
        finally:
            server.stop()


def _written_until_refused(alice: Api, number: int) -> int:
    """Free pages within the database take a few more comments."""
    for _ in range(100):
        answer = alice.client.post(f"/changes/{number}/threads/", json={"body": "x" * 20_000})
        if answer.status_code != 201:
            return answer.status_code
    return 201


def _data(server: PortalServer) -> str:
    found: str = httpx.get(f"{server.url}/readyz", timeout=30).json()["parts"].get("data", "")
    return found
