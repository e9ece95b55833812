"""Find in all files: literal text, every line and name, bounded and honest about it; the window that holds a line."""

from __future__ import annotations

import time

import pytest

from apps.diffs.files import FileChange
from apps.diffs.find import MOST_CHARS, find, needle
from apps.diffs.fragments import Options, render_file
from apps.diffs.parse import hunks
from apps.diffs.positions import line_named, row_of, window_of

HEAD = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n"
PATCH = HEAD + (
    b"@@ -1,4 +1,4 @@\n replicas: 1\n-image: Web:1\n-old: yes\n+image: Web:2\n+new: <b>\n last: replicas\n"
    b"@@ -50 +50,2 @@ top:\n far: 1\n+added: replicas\n"
)


def change(path="x.yaml", **more):
    facts = {"status": "M", "old_path": path, "old_mode": "100644", "new_mode": "100644"}
    facts |= {"old_oid": "a" * 40, "new_oid": "b" * 40, **more}
    return FileChange("f" + path[:7], new_path=path, **facts)


def places(found):
    return [(hit.place, f"{hit.side}{hit.line}", hit.found) for one in found.files for hit in one.hits]


def test_added_removed_and_context_lines_are_found_with_their_numbers():
    found = find([(change(), PATCH)], "replicas")
    assert places(found) == [("context", "R1", "replicas"), ("context", "R4", "replicas"), ("added", "R51", "replicas")]
    assert places(find([(change(), PATCH)], "old:")) == [("removed", "L3", "old:")]
    assert (found.total, found.more, found.late, found.searched) == (3, False, False, 1)


def test_case_counts_only_when_asked_for():
    assert len(places(find([(change(), PATCH)], "web:"))) == 2
    assert places(find([(change(), PATCH)], "web:", same_case=True)) == []


def test_the_text_is_no_pattern():
    assert places(find([(change(), PATCH)], "image.*")) == []
    assert places(find([(change(), PATCH)], "<b>")) == [("added", "R3", "<b>")]


def test_names_are_found_also_of_files_without_lines_and_by_their_old_name():
    moved = change("new/name.bin", old_path="old/name.bin", status="R")
    found = find([(moved, b"diff --git a/old/name.bin b/new/name.bin\nBinary files differ\n")], "old/")
    assert places(found) == [("name", "0", "old/")]


def test_the_heading_that_git_repeats_is_no_line_of_the_file():
    assert places(find([(change(), PATCH)], "top:")) == []


def test_a_common_text_ends_at_the_limit_and_says_so():
    many = [(change(f"{n}.yaml"), PATCH) for n in range(400)]
    found = find(many, "replicas", most=500)
    assert (found.total, found.more) == (500, True)
    exact = find(many[:10], "replicas", most=30)
    assert (exact.total, exact.more) == (30, False)


def test_when_the_time_is_up_it_says_how_far_it_came():
    answers = iter([False] * 10 + [True] * 1000)
    found = find([(change(f"{n}.yaml"), PATCH) for n in range(50)], "replicas", is_late=lambda: next(answers))
    assert found.late
    assert found.searched < 50


def test_a_long_line_is_cut_around_the_first_place():
    line = b"+" + b"a" * 5000 + b"NEEDLE" + b"b" * 5000 + b"NEEDLE\n"
    [one] = find([(change(), HEAD + b"@@ -0,0 +1 @@\n" + line)], "needle").files
    [hit] = one.hits
    assert (hit.before, hit.found, hit.after, hit.times) == ("…" + "a" * 60, "NEEDLE", "b" * 60 + "…", 2)


def test_hidden_characters_of_what_was_found_are_tokens():
    [one] = find([(change(), HEAD + "@@ -0,0 +1 @@\n+x\u202ey\n".encode())], "y").files
    assert one.hits[-1].before == "x[U+202E]"


@pytest.mark.parametrize("text", ["a" * 150 + "b", "(a+)+$", "\\", "[", "ß", "İ"])
def test_no_text_makes_looking_slow_or_fail(text):
    patch = HEAD + b"@@ -0,0 +1,2000 @@\n" + (b"+" + b"a" * 400 + b"\n") * 2000
    start = time.process_time()
    find([(change(), patch)], text)
    assert time.process_time() - start < 10, "looking is linear"


def test_what_is_looked_for_is_one_line_of_bounded_length():
    assert needle("  a  \nsecond") == "  a  "
    assert needle(" \n ") == ""
    assert len(needle("x" * 900)) == MOST_CHARS


@pytest.mark.parametrize(("name", "line"), [("R12", ("R", 12)), ("L3", ("L", 3)), ("R0", None), ("12", None), ("R1x", None), ("", None)])  # fmt: skip
def test_a_line_is_named_by_its_side_and_number(name, line):
    assert line_named(name) == line


@pytest.mark.parametrize("view", ["unified", "split"])
def test_the_row_of_a_line_is_the_row_that_the_writer_gives_it(view):
    file = change()
    html = render_file(file, PATCH, options=Options(view)).html.decode()
    rows = html.split("<tr")[2:]
    for side, line in (("R", 1), ("L", 2), ("L", 3), ("R", 2), ("R", 3), ("R", 4), ("R", 50), ("R", 51)):
        row = row_of(hunks(PATCH), view, side, line)
        assert row is not None
        assert f'id="f-{file.id}-{side}{line}"' in rows[row], (side, line)
    assert row_of(hunks(PATCH), view, "R", 30) is None
    assert (window_of(399, 400), window_of(400, 400)) == (0, 400)
