"""What a plan without the state cannot know is said on the target, and only there."""

from __future__ import annotations

import pytest

from tests.rendering.test_rendering_terraform_planning import applied, ours, plan
from tests.support.trees import MemoryTree

GUARDED = """
resource "terraform_data" "a" {
  count = 2
  input = "one"
  triggers_replace = ["x"]
  lifecycle {
    RULE
  }
}
"""
IGNORED, PREVENTED = "ignores changes (ignore_changes", "must not be destroyed (prevent_destroy"


def notes(before: str, after: str, **target) -> tuple[str, ...]:
    return plan(MemoryTree({"live/main.tf": before}), MemoryTree({"live/main.tf": after}), **target).warnings


def named(found: tuple[str, ...], words: str) -> list[str]:
    return [each.partition(" ")[0] for each in found if words in each]


def test_a_resource_that_ignores_changes_is_named_where_one_is_shown():
    code = GUARDED.replace("RULE", "ignore_changes = [input]")
    assert named(notes(code, code.replace('"one"', '"two"')), IGNORED) == ["terraform_data.a[0]", "terraform_data.a[1]"]
    assert named(notes(code, code.replace("count = 2", "count = 3")), IGNORED) == [], (
        "nothing of it is shown as changed"
    )
    every = code.replace("[input]", "all")
    assert len(named(notes(every, every.replace('"one"', '"two"')), IGNORED)) == 2
    none = code.replace("[input]", "[]")
    assert named(notes(none, none.replace('"one"', '"two"')), IGNORED) == []


def test_a_plan_that_terraform_would_refuse_because_of_prevent_destroy_says_so():
    code = GUARDED.replace("RULE", "prevent_destroy = true")
    assert named(notes(code, code.replace('["x"]', '["y"]')), PREVENTED) == [
        "terraform_data.a[0]",
        "terraform_data.a[1]",
    ]
    assert named(notes(code, code.replace("count = 2", "count = 1")), PREVENTED) == ["terraform_data.a[1]"]
    assert named(notes(code, code.replace('"one"', '"two"')), PREVENTED) == [], "an update destroys nothing"
    assert named(notes(code, 'resource "terraform_data" "b" {}\n'), PREVENTED) == [], (
        "a block that is gone guards nothing"
    )
    free = code.replace("= true", "= false")
    assert named(notes(free, free.replace('["x"]', '["y"]')), PREVENTED) == []


@pytest.mark.parametrize(
    ("value", "function"),
    [("plantimestamp()", "plantimestamp"), ("timestamp()", "timestamp"), ('"at ${timestamp()}"', "timestamp"),
     ("md5(uuid())", "uuid"), ('bcrypt("x")', "bcrypt")],
)  # fmt: skip
def test_functions_that_give_another_value_every_time_are_named(value, function):
    code = f'resource "terraform_data" "a" {{\n  input = {value}\n}}\n'
    assert [each.partition("(")[0] for each in notes(code, code) if "()" in each] == [function]


def test_words_that_only_look_like_such_functions_are_none():
    code = 'locals {\n  timestamp = 1 # timestamp()\n}\nresource "terraform_data" "a" {\n  input = [local.timestamp, "timestamp()"]\n}\n'
    assert [each for each in notes(code, code) if "()" in each] == []


def test_a_plan_with_the_state_needs_none_of_these_notes(tmp_path):
    code = GUARDED.replace("RULE", "ignore_changes = [input]")
    before = MemoryTree({"live/main.tf": code})
    state = {"state": applied(before, tmp_path).read_bytes()}
    found = plan(before.changed(state), before.changed({"live/main.tf": code.replace('"one"', '"two"')}), state="state")
    assert ours(found) == set(), "Terraform itself ignores the change"
    assert found.warnings == ()
