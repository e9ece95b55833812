"""A running portal with the cast, shared by the stories of one test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import PortalServer


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PortalServer, Path]]:
    """The server and the directory in which stories make their repositories."""
    base = tmp_path_factory.mktemp("stories")
    repositories = base / "repositories"
    repositories.mkdir()
    server = PortalServer(base / "data", local_dirs=[repositories]).start()
    for name in ("alice", "bob", "kim", "dave", "mallory"):
        server.person(name)
    server.person("carol", "--connect-repositories")
    server.person("erin", "--administrator")
    yield server, repositories
    server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log[-6000:]
