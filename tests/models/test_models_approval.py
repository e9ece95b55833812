"""The model of approval to dispatch, searched by Spin: nothing bad can happen, and without any one guard something does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models import spin
from tests.models.spin import errors

Says = Callable[[str], None]
MODEL = Path(__file__).with_name("approval.pml")
MERGING, DEPLOYING = "MERGING_ONLY", "DEPLOYING_ONLY"
MERGE_GUARDS = (
    "NO_SUBJECT", "NO_BRANCH", "NO_REOPENED", "NO_ROLE_NOW", "NO_CONTRIBUTOR", "NO_WITHDRAWN", "NO_POLICY",
    "NO_CURRENT", "NO_LOG_LOCK", "NO_SWAP", "NO_ONE_TRANSACTION", "NO_LEASE", "NO_FENCE", "NO_TIP_DECIDES",
    "ONLY_IN_MEMORY",
)  # fmt: skip
START_GUARDS = ("NO_GATE", "NO_ROLE_NOW", "NO_SECOND_LOOK", "NO_CLAIM", "NO_MARK", "NO_RUN_FENCE")
MUTANTS = [(MERGING, guard) for guard in MERGE_GUARDS] + [(DEPLOYING, guard) for guard in START_GUARDS]


def searched(folder: Path, *defines: str, kinds: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> str:
    return spin.searched(folder, MODEL, *defines, kinds=kinds, arguments=arguments)


@pytest.mark.parametrize("part", [MERGING, DEPLOYING])
def test_nothing_unapproved_is_merged_or_started_and_nothing_is_lost(tmp_path: Path, part: str) -> None:
    said = searched(tmp_path, part)
    assert errors(said) == 0, said[-2000:]
    assert "Search not completed" not in said
    states = re.search(r"(\d+) states, stored", said)
    assert states
    assert int(states[1]) > 10_000, "the model has become trivial"


@pytest.mark.parametrize(("part", "end"), [(MERGING, "REACHES"), (MERGING, "REACHES_RETURN"), (DEPLOYING, "REACHES")])
def test_the_model_reaches_its_ends(tmp_path: Path, part: str, end: str) -> None:
    assert errors(searched(tmp_path, part, end)) == 1


@pytest.mark.parametrize(
    ("part", "guard"), MUTANTS, ids=[f"{part.split('_')[0].lower()}-{guard}" for part, guard in MUTANTS]
)
def test_without_this_guard_something_bad_happens(tmp_path: Path, part: str, guard: str) -> None:
    said = searched(tmp_path, part, guard)
    assert errors(said) == 1, f"nobody notices that {guard} is missing"
    assert "assertion violated" in said


@pytest.mark.soak
def test_nothing_bad_happens_with_more_pushes_and_approvals(tmp_path: Path, says: Says) -> None:
    said = searched(tmp_path, MERGING, "PUSHES=2", "APPROVALS=2", kinds=("-DBITSTATE",), arguments=("-w34", "-k3"))
    says(said)
    assert errors(said) == 0, said[-2000:]


@pytest.mark.soak
def test_nothing_bad_happens_when_all_of_it_runs_side_by_side(tmp_path: Path, says: Says) -> None:
    said = searched(tmp_path, "PUSHES=1", kinds=("-DBITSTATE",), arguments=("-w34", "-k3"))
    says(said)
    assert errors(said) == 0, said[-2000:]


def test_every_guard_of_the_model_is_taken_out_by_a_test() -> None:
    named = set(re.findall(r"#ifn?def (NO_\w+|ONLY_\w+)", MODEL.read_text(encoding="utf-8")))
    assert named == {guard for _, guard in MUTANTS}
