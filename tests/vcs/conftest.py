"""Fixtures for the Git tests: one bare remote with a work clone, and the pool closed at the end."""

from __future__ import annotations

import pytest

from apps.vcs.pool import DEFAULT_POOL
from tests.support.git import bare_remote


@pytest.fixture(autouse=True)
def _closed_pool():
    yield
    DEFAULT_POOL.close()
    assert DEFAULT_POOL.running == 0


@pytest.fixture
def repo(tmp_path):
    """A bare repository and a work clone whose ``main`` has a README and a deployment."""
    files = {"README.md": "hello\n", "k8s/web.yaml": "".join(f"line {n}\n" for n in range(40))}
    return bare_remote(tmp_path, files)
