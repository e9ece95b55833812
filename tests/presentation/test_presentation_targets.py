"""The state of a target in a word."""

from __future__ import annotations

import pytest

from apps.changes.models import Rendering
from apps.presentation.rendered_targets import _target
from apps.presentation.words import word_of


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, ("Rendered", "ok")),
        ({"parts": [["Kustomization flux-system/apps", ""]]}, ("Rendered", "ok")),
        ({"parts": [["Kustomization flux-system/apps", "Its path is missing."]]}, ("Rendered in part", "warn")),
        ({"unstable": ["Secret shop/token data.token"]}, ("Rendered in part", "warn")),
    ],
)
def test_a_target_of_which_a_part_could_not_be_evaluated_is_not_called_rendered(facts, said):
    row = _target(Rendering(environment="live", target="fleet", state="rendered", facts=facts), can_act=True)
    word = word_of(row.state)
    assert (word.text, word.tone) == said


def test_of_many_parts_that_could_not_be_evaluated_those_that_the_change_touches_are_told_first():
    source = "Its source, OCIRepository shop/{0}, is not this repository; nothing is fetched from elsewhere."
    parts = [[f"HelmRelease shop/app-{number}", source.format(f"app-{number}")] for number in range(20)]
    touched = [["HelmRelease", "update", "shop", "app-1", []], ["OCIRepository", "update", "shop", "app-13", []]]
    facts = {"parts": parts, "resources": touched, "unstable": ["Secret shop/token data.token"]}
    row = _target(Rendering(environment="live", target="fleet", state="rendered", facts=facts), can_act=True)
    names = [text.partition(":")[0].partition("-")[2] for text in row.first_problems]
    assert names == ["1", "13", "0", "2", "3"]
    assert len(row.first_problems + row.more_problems) == 21 == len({*row.first_problems, *row.more_problems})


def test_what_the_policy_allows_to_differ_is_said_not_to_be_shown():
    facts = {"warnings": ["A chart asks."], "waived": ["Secret shop/token data.token"]}
    row = _target(Rendering(environment="live", target="fleet", state="rendered", facts=facts), can_act=True)
    assert (row.state, row.problems) == ("rendered", ())
    assert [note.partition(" differs")[0] for note in row.notes] == ["A chart asks.", "Secret shop/token data.token"]
    assert "what changes there is not shown" in row.notes[1]
