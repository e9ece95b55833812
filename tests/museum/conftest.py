"""The stage with the usual policy, and one to be set up by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.museum import Museum, policy

Open = Callable[..., Museum]


@pytest.fixture
def open_museum(db: None, tmp_path: Path) -> Open:
    """``open_museum(portal_yaml, files)``: a repository with this policy."""

    def build(portal_yaml: str = "", files: Mapping[str, str | bytes] | None = None) -> Museum:
        return Museum(tmp_path, portal_yaml or policy(), files)

    return build


@pytest.fixture
def museum(open_museum: Open) -> Museum:
    """One approval by a reviewer is enough to merge."""
    return open_museum()
