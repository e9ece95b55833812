"""A log that is published where the test can look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.publishing import publish_here


@pytest.fixture
def place(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository of this test's published log; nothing is in it yet."""
    publish_here(settings, tmp_path / "data", monkeypatch)
    return tmp_path / "data" / "audit.git"
