"""Long values of a comparison over the API: what is left out of them is said in the place where it stood."""

from __future__ import annotations

from typing import Any

from apps.api.comparison_outputs import _field
from apps.presentation.comparison_page import ComparedField
from apps.presentation.rendered_rows import field_row
from apps.rendering.model import ABSENT, Action, FieldChange, ResourceChange, ResourceId

LINES = [f"line {number}" for number in range(30)]


def told(before: Any, after: Any) -> tuple[Any, Any]:
    field = FieldChange(("data", "a"), before, after)
    change = ResourceChange(ResourceId("", "ConfigMap", "", "a"), Action.UPDATE, (field,))
    found = _field(ComparedField(field_row(field, change), "overlay", False))
    return found["from"], found["to"]


def test_lines_between_and_after_are_said_to_be_left_out() -> None:
    other = ["first", *LINES[1:-1], "last"]
    before, after = told("\n".join(LINES), "\n".join(other))
    assert before.split("\n")[:2] == ["@@ -1,4 +1,4 @@", "line 0"]
    assert after.split("\n")[:2] == ["@@ -1,4 +1,4 @@", "first"]
    assert "@@ -27,4 +27,4 @@" in before.split("\n")
    long = "".join(f"{number}\n" for number in range(500))
    assert told(ABSENT, long)[1].endswith("\n100 more lines are not shown")


def test_nothing_is_null_and_not_an_empty_text() -> None:
    assert told(ABSENT, "a\nb\n") == (None, "a\nb")
    assert told("a\nb\n", ABSENT) == ("a\nb", None)
    assert told("80", 80) == ('"80"', "80")
