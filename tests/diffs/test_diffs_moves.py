"""Moved blocks: a hint with both places, which says when the indentation changed; never a guess from little."""

from __future__ import annotations

import time

import pytest

from apps.diffs import parse
from apps.diffs.files import with_ids
from apps.diffs.moves import OTHER_INDENT, find_moves, indent_words, list_html

BLOCK = ["container:", "  name: frontend", "  image: web:1.2", "  port: 8080"]


def changes_of(*paths):
    return with_ids([parse.RawChange("M", p, p, "100644", "100644", "1" * 40, "2" * 40, None) for p in paths])


def patch(*hunks):
    """Hunks of (old start, removed lines, new start, added lines)."""
    out = ["diff --git a/x b/x", "--- a/x", "+++ b/x"]
    for old_at, removed, new_at, added in hunks:
        out.append(f"@@ -{old_at},{len(removed)} +{new_at},{len(added)} @@")
        out += [f"-{line}" for line in removed] + [f"+{line}" for line in added]
    return ("\n".join(out) + "\n").encode()


def found(files):
    return [
        (move.old.path, move.old_at, move.new.path, move.new_at, move.size, move.indent, move.in_place)
        for move in find_moves(files)
    ]


def test_a_block_that_moved_within_a_file_names_both_places():
    [change] = changes_of("a.yaml")
    body = patch((12, BLOCK, 11, []), (50, [], 40, BLOCK))
    assert found([(change, body)]) == [("a.yaml", 12, "a.yaml", 40, 4, 0, False)]


def test_a_block_that_moved_to_another_file_names_both_places():
    first, second = changes_of("a.yaml", "b.yaml")
    files = [(first, patch((12, BLOCK, 11, []))), (second, patch((1, ["x: 1"], 1, ["y: 1", *BLOCK, "z: 2"])))]
    assert found(files) == [("a.yaml", 12, "b.yaml", 2, 4, 0, False)]


@pytest.mark.parametrize(
    ("before", "after", "indent", "words"),
    [
        ("", "  ", 2, "indented 2 spaces deeper"), ("    ", "   ", -1, "indented 1 space less deep"),
        ("", "\t", OTHER_INDENT, "indented with other characters"),
    ],
)  # fmt: skip
def test_a_moved_block_with_other_indentation_says_so(before, after, indent, words):
    [change] = changes_of("a.yaml")
    olds, news = [before + line for line in BLOCK], [after + line for line in BLOCK]
    moves = find_moves([(change, patch((12, olds, 11, []), (50, [], 40, news)))])
    assert [(move.indent, move.in_place) for move in moves] == [(indent, False)]
    assert indent_words(moves[0].indent) == words
    assert f"<b>{words}</b>" in list_html(moves, [("#a", "#b")])


def test_a_block_indented_where_it_stands_is_told_from_one_that_moved():
    [change] = changes_of("a.yaml")
    body = patch((12, BLOCK, 12, ["spec:", *[f"  {line}" for line in BLOCK]]))
    assert found([(change, body)]) == [("a.yaml", 12, "a.yaml", 13, 4, 2, True)]


@pytest.mark.parametrize(
    ("removed", "added"),
    [
        (BLOCK[:2], BLOCK[:2]),  # too few lines
        (["a: 1", "b: 2", "c: 3"], ["a: 1", "b: 2", "c: 3"]),  # too little in them
        (["}", "", "}", "", "}"], ["}", "", "}", "", "}"]),
        (BLOCK, [BLOCK[0], f" {BLOCK[1]}", BLOCK[2], BLOCK[3]]),  # not one indentation: other YAML
        (BLOCK, [BLOCK[0], "  name: backend", BLOCK[2], BLOCK[3]]),
    ],
)
def test_what_is_too_small_or_not_the_same_is_no_move(removed, added):
    [change] = changes_of("a.yaml")
    assert found([(change, patch((12, removed, 11, []), (50, [], 40, added)))]) == []


def test_lines_that_stand_everywhere_begin_no_block_and_each_place_is_used_once():
    [change] = changes_of("a.yaml")
    many = BLOCK * 40
    assert found([(change, patch((1, BLOCK, 0, []), (50, [], 40, many)))]) == []
    twice = found([(change, patch((1, [*BLOCK, "other: one", *BLOCK], 0, []), (50, [], 40, BLOCK)))])
    assert [(row[1], row[3]) for row in twice] == [(1, 40)]


def test_names_of_files_are_escaped_in_the_list():
    [change] = changes_of("<b>\u202e.yaml")
    html = list_html(find_moves([(change, patch((12, BLOCK, 11, []), (50, [], 40, BLOCK)))]), [("#a", "#b")])
    assert "&lt;b&gt;" in html
    assert "[U+202E]" in html
    assert f'data-old="f-{change.id}-L12"' in html
    assert f'data-new="f-{change.id}-R40"' in html


def test_the_work_is_bounded_whatever_the_lines():
    [change] = changes_of("a.yaml")
    lines = [f"key{n % 11}" if n % 3 else "" for n in range(20_000)]
    started = time.process_time()
    find_moves([(change, patch((1, lines, 0, []), (30_000, [], 10_000, lines)))])
    find_moves([(change, b"\xff not a patch\n@@ x\n")])
    assert time.process_time() - started < 10
