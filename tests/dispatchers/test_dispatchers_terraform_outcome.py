"""What is said of an apply of ``via: terraform`` that ended: a state that was left behind is one that this run wrote."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.deployments.dispatchers import StepProgress, StepState
from apps.deployments.dispatchers.terraform import _unknown

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("folder", "written", "exit_code", "is_unknown"),
    [
        ("infra", 60, 1, True),
        ("infra", 60, 0, False),
        ("infra", -60, 1, False),
        ("old", 60, 1, False),
    ],
)
def test_a_state_that_was_left_behind_is_one_of_this_run(
    tmp_path: Path, folder: str, written: int, exit_code: int, is_unknown: bool
) -> None:
    """``written``: seconds after the step began; what the commit has is older."""
    (tmp_path / "told").mkdir()
    (tmp_path / "told" / "spec.json").write_text(json.dumps({"path": "infra"}))
    left = tmp_path / "tree" / folder / "errored.tfstate"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    moment = BEGAN.timestamp() + written
    os.utime(left, (moment, moment))
    step = StepProgress(state=StepState.ENDED, key="apply", reason="exited", exit_code=exit_code, began=BEGAN)
    assert ("errored.tfstate" in _unknown(tmp_path, step)) is is_unknown
