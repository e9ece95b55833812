"""The mirror's job leaves a commit-graph with Bloom filters of changed paths, so that no page has to walk for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.people import cast
from tests.support.repositories import connected, pushed

pytestmark = pytest.mark.django_db


def graph(mirror: Path) -> bytes:
    """The commit-graph file (gitformat-commit-graph(5)); BIDX and BDAT are its chunks of Bloom filters."""
    return (mirror / "objects" / "info" / "commit-graph").read_bytes()


def test_every_fetch_leaves_a_commit_graph_with_changed_paths(tmp_path: Path) -> None:
    repository, work = connected(tmp_path, cast().carol)
    first = graph(repository.mirror_path)
    assert b"BIDX" in first
    assert b"BDAT" in first
    new = work.commit("next", files={"README.md": "more\n"})
    pushed(repository, work)
    second = graph(repository.mirror_path)
    assert bytes.fromhex(new) not in first
    assert bytes.fromhex(new) in second
    assert b"BDAT" in second
