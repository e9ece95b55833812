"""Rows: both sides are reproduced exactly, whatever the patch; windows put together are the whole."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.diffs import parse
from apps.diffs.characters import _NOT_SHOWN, token
from apps.diffs.files import describe, with_ids
from apps.diffs.fragments import ALL_ROWS, Options, render_file
from apps.diffs.intraline import changed_spans
from apps.diffs.lookalikes import named
from apps.diffs.rows import align, split, unified
from tests.support.diff_html import FragmentReader

ALPHABET = st.sampled_from(
    [*"ab :-+@\\\"'<>&#{}|/*\t\r", "\u202e", "\u200b", "\u00a0", "é", "名", "\U0001f600", "\udce9", "\x00", "\x1b"]
)
LINE = st.text(ALPHABET, max_size=12)
LINES = st.lists(LINE, max_size=12)
PATHS = st.sampled_from(["a.yaml", "a.tf", "a.json", "a.py", "a.sh", "Dockerfile", "a.go", "a.toml", "a.md", "a"])


def change_of(path="a.yaml"):
    oids = ("1" * 40, "2" * 40)
    return with_ids([parse.RawChange("M", path, path, "100644", "100644", *oids, None)])[0]


@st.composite
def hunk_texts(draw):
    """A hunk built from runs, with right counts; sometimes without a newline at the end of the file."""
    out, old, new = [], 0, 0
    for _ in range(draw(st.integers(1, 5))):
        context, removed, added = draw(LINES), draw(LINES), draw(LINES)
        out += [" " + line for line in context] + ["-" + line for line in removed] + ["+" + line for line in added]
        old += len(context) + len(removed)
        new += len(context) + len(added)
    if out and draw(st.booleans()):
        out.append("\\ No newline at end of file")
    start = draw(st.integers(1, 10_000))
    head = f"@@ -{start},{old} +{start},{new} @@ section <b>"
    return "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n" + "\n".join([head, *out]) + "\n"


def sides(patch: str):
    body = [line for line in patch.split("\n")[5:-1] if not line.startswith("\\ No newline")]
    return [x[1:] for x in body if x[0] in " -"], [x[1:] for x in body if x[0] in " +"]


@given(hunk_texts())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_rows_of_both_views_reproduce_both_sides_exactly(text):
    patch = text.encode("utf-8", "surrogateescape")
    old, new = sides(text)
    hunks = parse.hunks(patch)
    for rows in ([r for h in hunks for r in unified(h)], [r for h in hunks for r in split(h)]):
        assert [r.old_text for r in rows if r.old] == old
        assert [r.new_text for r in rows if r.new] == new
        start = hunks[0].old_start
        assert [r.old for r in rows if r.old] == [*range(start, start + len(old))] or not old
    assert describe(change_of(), patch).changed == sum(r.kind != "context" for h in hunks for r in unified(h))


@given(hunk_texts(), PATHS, st.sampled_from(["unified", "split"]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_html_has_only_our_markup_and_the_text_of_the_lines(text, path, view):
    patch = text.encode("utf-8", "surrogateescape")
    html = render_file(change_of(path), patch, options=Options(view), max_rows=ALL_ROWS).html
    reader = FragmentReader(html)
    old, new = sides(text)
    cells = reader.code(view)
    old_at, new_at, old_text, new_text = (0, 2, 1, 3) if view == "split" else (0, 1, 2, 2)
    assert [row[old_text] for row in cells if row[old_at]] == [shown(line) for line in old]
    assert [row[new_text] for row in cells if row[new_at]] == [shown(line) for line in new]


def shown(line):
    return _NOT_SHOWN.sub(lambda match: token(match.group()), named(line))


@given(hunk_texts(), st.integers(1, 9), st.sampled_from(["unified", "split"]))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_windows_put_together_show_the_rows_of_the_whole(text, size, view):
    patch, change = text.encode("utf-8", "surrogateescape"), change_of()
    whole = FragmentReader(render_file(change, patch, options=Options(view), max_rows=ALL_ROWS).html).code(view)
    found, start = [], 0
    while start is not None:
        fragment = render_file(change, patch, options=Options(view), start_row=start, max_rows=size)
        assert fragment.rows <= size
        found += FragmentReader(fragment.html).code(view)
        assert fragment.next_row is None or fragment.next_row > start
        start = fragment.next_row
    assert found == whole


@given(st.binary(max_size=400), st.sampled_from(["unified", "split"]))
@settings(max_examples=200, deadline=None)
def test_no_bytes_at_all_make_rendering_fail(data, view):
    for patch in (data, b"diff --git a/x b/x\n@@ -1 +1 @@\n" + data, b"diff --git a/x b/x\n@@ " + data):
        FragmentReader(render_file(change_of(), patch, options=Options(view)).html)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_a_list_that_git_did_not_write_is_refused_with_one_error(data):
    for raw in (data, b":100644 100644 " + data):
        try:
            changes, patches = parse.read(raw)
        except parse.MalformedDiff:
            continue
        assert len(changes) == len(patches)


def test_a_hunk_that_is_cut_off_is_said_in_words_and_not_shown_as_whole():
    patch = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n"
    html = render_file(change_of(), patch).html.decode()
    assert "could not be read" in html
    assert "<table" not in html


def test_a_list_and_a_patch_that_do_not_fit_are_refused():
    raw = b":100644 100644 " + b"1" * 40 + b" " + b"2" * 40 + b" M\0a\0\0"
    with pytest.raises(parse.MalformedDiff):
        parse.read(raw + b"diff --git a/a b/a\ndiff --git a/b b/b\n")


@given(LINE, LINE)
@settings(max_examples=200, deadline=None)
def test_marks_lie_inside_the_line_in_order_and_what_is_left_is_equal(old, new):
    old_spans, new_spans = changed_spans(old, new)
    for line, spans in ((old, old_spans), (new, new_spans)):
        assert all(0 <= a < b <= len(line) for a, b in spans)
        assert all(first[1] < second[0] for first, second in pairwise(spans))
    if old_spans and new_spans:
        left, right = unmarked(old, old_spans), unmarked(new, new_spans)
        assert is_subsequence(left, new)
        assert is_subsequence(right, old)


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(char in rest for char in part)


def unmarked(line, spans):
    kept, at = "", 0
    for first, last in spans:
        kept += line[at:first]
        at = last
    return kept + line[at:]


def test_an_inserted_line_does_not_shift_its_neighbours():
    olds = ["  cpu: 100m", "  memory: 128Mi"]
    news = ["  cpu: 200m", "  storage: 1Gi", "  memory: 256Mi"]
    assert align(olds, news) == [(0, 0), (-1, 1), (1, 2)]


def test_a_mark_never_crosses_a_colour():
    patch = b'diff --git a/x b/x\n@@ -1 +1 @@\n-  image: "a&b:1" # old\n+  image: "a&b:2" # new\n'
    reader = FragmentReader(render_file(change_of(), patch).html)
    assert reader.marked == ["1", "old", "2", "new"]


def test_side_by_side_and_unified_agree_with_git_apply(tmp_path):
    old = "".join(f"line {n}\n" for n in range(60))
    new = old.replace("line 7\n", "").replace("line 30\n", "line 30\nmore\nand more\n").replace("line 59\n", "end")
    (tmp_path / "old").write_text(old)
    (tmp_path / "new").write_text(new)
    patch = subprocess.run(
        ["git", "diff", "--no-index", "-U100", "old", "new"], cwd=tmp_path, capture_output=True, check=False
    ).stdout
    rows = [row for hunk in parse.hunks(patch) for row in split(hunk)]
    assert [r.old_text for r in rows if r.old] == old.split("\n")[:-1]
    assert [r.new_text for r in rows if r.new] == new.split("\n")
