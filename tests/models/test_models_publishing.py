"""The model of the published log, searched by Spin: it only grows and is one with the rows, and without any one guard it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.models import spin
from tests.models.spin import errors

MODEL = Path(__file__).with_name("publishing.pml")
GUARDS = ("NO_HELD", "NO_LOOK", "NO_BEHIND", "NO_COMPARISON", "NO_SWAP")
NO_END_NEEDED = ("-w22", "-E")
"""A publisher waits for what may never come, and that is no mistake."""


def searched(folder: Path, *defines: str) -> str:
    return spin.searched(folder, MODEL, *defines, arguments=NO_END_NEEDED)


def test_the_published_log_only_grows_and_nothing_is_added_beside_it(tmp_path: Path) -> None:
    said = searched(tmp_path)
    assert errors(said) == 0, said[-2000:]
    assert "Search not completed" not in said
    states = re.search(r"(\d+) states, stored", said)
    assert states
    assert int(states[1]) > 100_000, "the model has become trivial"


def test_the_model_reaches_its_end(tmp_path: Path) -> None:
    assert errors(searched(tmp_path, "REACHES")) == 1


@pytest.mark.parametrize("guard", GUARDS)
def test_without_this_guard_the_logs_part(tmp_path: Path, guard: str) -> None:
    said = searched(tmp_path, guard)
    assert errors(said) == 1, f"nobody notices that {guard} is missing"
    assert "assertion violated" in said


def test_every_guard_of_the_model_is_taken_out_by_a_test() -> None:
    assert set(re.findall(r"#ifn?def (NO_\w+)", MODEL.read_text(encoding="utf-8"))) == set(GUARDS)
