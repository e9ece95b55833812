"""No line that differs is left out, whatever it begins or ends with, and none takes the place of what Git or Python says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.presentation.lines import NO_LINE_END, difference, patch_lines
from apps.presentation.rendered_rows import field_row
from apps.rendering.model import Action, FieldChange, ResourceChange, ResourceId

TEXTS = st.lists(
    st.sampled_from(["-- a", "++ b", "@@ -1 +1 @@", "---", "+++", "diff --git a/x b/x", "\\ x", "", " c", "d\r"]),
    max_size=9,
)


def pairs(found: object) -> list[tuple[str, str]]:
    return [(line.sign, line.text) for line in found]  # type: ignore[attr-defined]


def test_lines_that_look_like_heads_are_lines() -> None:
    before = "a\n-- drop\n@@ x\n"
    after = "a\n++ add\n@@ x\n"
    assert pairs(difference(before, after)) == [
        ("@", "@@ -1,3 +1,3 @@"),
        (" ", "a"),
        ("-", "-- drop"),
        ("+", "++ add"),
        (" ", "@@ x"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("a\nb\n", "a\nb", [(" ", "a"), ("-", "b"), ("+", "b"), (" ", NO_LINE_END)]),
        ("a\r\nb\n", "a\nb\n", [("-", "a[CR]"), ("+", "a"), (" ", "b")]),
        ("a\u2028b\nc", "a\nb\nc", [("-", "a[U+2028]b"), ("+", "a"), ("+", "b"), (" ", "c"), (" ", NO_LINE_END)]),
        ("a\x0cb\nc\n", "a b\nc\n", [("-", "a[U+000C]b"), ("+", "a b"), (" ", "c")]),
    ],
)
def test_what_differs_by_its_line_ends_only_is_shown(before: str, after: str, found: list[tuple[str, str]]) -> None:
    assert [row for row in pairs(difference(before, after)) if row[0] != "@"] == found


def test_what_is_new_or_gone_says_nothing_about_its_last_line() -> None:
    assert pairs(difference("", "a\nb")) == [("+", "a"), ("+", "b")]
    assert pairs(difference("a\n", "")) == [("-", "a")]
    assert pairs(difference("a\n", "a\n")) == []


def test_a_cut_says_how_much_it_leaves_out() -> None:
    found = pairs(difference("", "".join(f"{n}\n" for n in range(10)), most=4))
    assert found[-1] == ("@", "6 more lines are not shown")
    assert len(found) == 5


@given(before=TEXTS, after=TEXTS)
def test_every_line_of_both_texts_is_there(before: list[str], after: list[str]) -> None:
    """With all of the context both texts can be told from the difference."""
    texts = ["".join(f"{line}\n" for line in lines) for lines in (before, after)]
    found = difference(*texts, around=100)
    if texts[0] == texts[1]:
        assert not found
        return
    for sign, lines in (("-", before), ("+", after)):
        assert [line.text.replace("[CR]", "\r") for line in found if line.sign in (sign, " ")] == lines


@given(before=TEXTS, after=TEXTS)
def test_a_patch_of_git_is_read_as_git_wrote_it(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    place = tmp_path_factory.mktemp("patch")
    for name, lines in (("old", before), ("new", after)):
        Path(place, name).write_text("".join(f"{line}\n" for line in lines), newline="")
    command = ["git", "diff", "--no-index", "--no-ext-diff", "--no-color", "-U100", "old", "new"]
    patch = subprocess.run(command, cwd=place, capture_output=True, check=False).stdout
    found = list(patch_lines(patch))
    assert [line for line in patch_lines(patch, with_heads=True) if line.sign in "+-"] == [
        line for line in found if line.sign in "+-"
    ]
    for sign, lines in (("-", before), ("+", after)):
        if before != after:
            assert [line.text.replace("[CR]", "\r") for line in found if line.sign in (sign, " ")] == lines


def test_what_git_says_of_a_file_without_lines() -> None:
    binary = b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\nindex 1..2\nBinary files a/x and b/x differ\n"
    words = ["old mode 100644", "new mode 100755", "Binary files a/x and b/x differ"]
    assert [line.text for line in patch_lines(binary)] == words
    assert len(list(patch_lines(binary, with_heads=True))) == len(words) + 2
    link = (
        b"diff --git a/x b/x\nnew file mode 120000\nindex 0..2\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n"
    )
    assert [line.text for line in patch_lines(link)] == ["new file mode 120000", "@@ -0,0 +1 @@", "/etc/passwd"]
    plain = link.replace(b"120000", b"100644")
    assert [line.text for line in patch_lines(plain)] == ["@@ -0,0 +1 @@", "/etc/passwd"]
    without_end = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- old\n\\ No newline at end of file\n+++ new\n"
    assert pairs(patch_lines(without_end)) == [
        ("@", "@@ -1 +1 @@"),
        ("-", "-- old"),
        (" ", NO_LINE_END),
        ("+", "++ new"),
    ]


def test_a_field_of_many_lines_shows_the_comment_of_sql_that_it_loses() -> None:
    field = FieldChange(("data", "x.sql"), "-- keep the audit table\nselect 1;\n", "select 1;\n")
    change = ResourceChange(ResourceId("v1", "ConfigMap", "", "a"), Action.UPDATE, (field,))
    assert ("-", "-- keep the audit table") in pairs(field_row(field, change).lines)
