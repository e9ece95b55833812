"""Names that some file systems take for one."""

from __future__ import annotations

import pytest

from apps.diffs.names import folded_alike

PRESENT = ["app/values.yaml", "app/b.yaml", "README.md", "stra\u00dfe.txt", "caf\u00e9.txt"]


@pytest.mark.parametrize(
    ("named", "other"),
    [
        ("app/VALUES.yaml", "app/values.yaml"),
        ("App/new.yaml", "app"),
        ("readme.md", "README.md"),
        ("APP", "app"),
        ("STRASSE.txt", "stra\u00dfe.txt"),
        ("cafe\u0301.txt", "caf\u00e9.txt"),
        ("readme.md/x", "README.md"),
    ],
)
def test_a_name_that_differs_only_in_case_or_composition_is_found(named: str, other: str) -> None:
    assert folded_alike([named], [*PRESENT, named]) == [(named, other)]


@pytest.mark.parametrize("named", ["app/values.yml", "app/values.yaml", "ap/p.yaml", "README", "values.yaml", "b.yaml"])
def test_other_names_are_not(named: str) -> None:
    assert folded_alike([named], [*PRESENT, named]) == []
