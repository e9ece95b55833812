"""More lines around a change: links where lines are left out, and rows that are equal to what the whole file shows."""

from __future__ import annotations

import re
import subprocess

import pytest

from apps.diffs import parse
from apps.diffs.context import Place, are_equal, context_etag, context_rows, lines_of
from apps.diffs.files import with_ids
from apps.diffs.fragments import ALL_CONTEXT, ALL_ROWS, Options, render_file, window_etag
from tests.support.diff_html import FragmentReader

OLD = [f"key{n}: {n}" for n in range(1, 121)]
NEW = [*OLD[:9], "key10: ten", *OLD[10:39], *OLD[41:59], "new: |", "  text", *OLD[59:109], "key110: x", *OLD[110:]]


def change_of(path="a.yaml"):
    return with_ids([parse.RawChange("M", path, path, "100644", "100644", "1" * 40, "2" * 40, None)])[0]


@pytest.fixture
def patch_with(tmp_path):
    def make(*flags, old=OLD, new=NEW):
        (tmp_path / "old").write_text("\n".join(old) + "\n")
        (tmp_path / "new").write_text("\n".join(new) + "\n")
        command = ["git", "diff", "--no-index", *flags, "old", "new"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout

    return make


def gaps_of(html):
    return [tuple(map(int, found.split(","))) for found in re.findall(r'data-gap="([^"]+)"', html.decode())]


def expected_gaps(olds, news, patch):
    found, old_next, new_next = [], 1, 1
    for hunk in parse.hunks(patch):
        if hunk.new_start > new_next:
            found.append((old_next, new_next, hunk.new_start - new_next))
        old_next, new_next = hunk.old_start + hunk.old_count, hunk.new_start + hunk.new_count
    if new_next <= len(news):
        found.append((old_next, new_next, -1))
    return found


@pytest.mark.parametrize("view", ["unified", "split"])
def test_every_gap_has_links_and_filling_all_of_them_shows_the_whole_file(patch_with, view):
    change, patch, options = change_of(), patch_with(), Options(view)
    html = render_file(change, patch, options=options, max_rows=ALL_ROWS).html
    gaps = gaps_of(html)
    assert gaps == expected_gaps(OLD, NEW, patch)
    shown = set(FragmentReader(html).code(view))
    for old, new, size in gaps:
        place = Place(old, new, size if size > 0 else 5_000)
        assert are_equal(OLD, NEW, place)
        rows = FragmentReader(b"<table>" + context_rows(change, NEW, place, options=options) + b"</table>").code(view)
        assert not shown & set(rows)
        shown |= set(rows)
    whole = render_file(
        change, patch_with(f"-U{ALL_CONTEXT}"), options=Options(view, context=ALL_CONTEXT), max_rows=ALL_ROWS
    )
    assert shown == set(FragmentReader(whole.html).code(view))
    assert not gaps_of(whole.html)
    assert b'class="ex"' not in whole.html


def test_rows_of_context_have_the_markup_and_colours_of_other_rows(patch_with):
    change = change_of()
    whole = render_file(change, patch_with("-U200"), options=Options(context=200), max_rows=ALL_ROWS).html.decode()
    rows = context_rows(change, NEW, Place(50, 48, 10), options=Options()).decode()
    for row in rows.removeprefix("<tbody>").removesuffix("</tbody>").split("<tr")[1:]:
        assert f"<tr{row}" in whole


def test_colours_know_what_stood_before():
    lines = ["run: |", *["  if: x" for _ in range(50)], "next: 1"]
    html = context_rows(change_of(), lines, Place(20, 20, 3), options=Options()).decode()
    assert html.count('<span class="s">') == 3
    assert 'class="k"' not in html


def test_without_scripts_a_link_opens_the_file_with_more_around(patch_with):
    change = change_of()
    html = render_file(change, patch_with(), options=Options(query="from=base&to=r1")).html.decode()
    assert f'href="?from=base&amp;to=r1&amp;view=unified&amp;file={change.id}&amp;context=23#f-{change.id}"' in html
    assert f"context={ALL_CONTEXT}#" in html
    more = render_file(change, patch_with("-U10"), options=Options(context=10)).html.decode()
    assert "context=30#" in more
    assert (
        "context=10&amp;start=9#"
        in render_file(change, patch_with("-U10"), options=Options(context=10), max_rows=9).html.decode()
    )


def test_a_small_gap_is_one_link_and_no_gap_is_none(patch_with):
    new = [*OLD[:9], "x", *OLD[10:29], "y", *OLD[30:32]]
    html = render_file(change_of(), patch_with(old=OLD[:32], new=new)).html.decode()
    assert "Show 6 lines" in html
    assert "Show 13 lines" in html
    assert 'class="ce"' not in html
    added = render_file(change_of(), b"diff --git a/x b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n").html
    assert b'class="ex"' not in added


def test_a_view_without_white_space_puts_nothing_between_its_rows(patch_with):
    html = render_file(change_of(), patch_with(), options=Options(in_place=False)).html.decode()
    assert "data-gap" not in html
    assert 'class="ex"' in html


def test_only_lines_that_both_sides_have_in_common_are_context():
    assert are_equal(OLD, NEW, Place(1, 1, 9))
    for wrong in (Place(1, 1, 10), Place(1, 2, 3), Place(0, 0, 1), Place(1, 1, 0), Place(118, 117, 40)):
        assert not are_equal(OLD, NEW, wrong), wrong


def test_the_end_of_the_file_and_its_newline_are_shown():
    lines, cut = lines_of(b"a\nb\nc")
    assert (lines, cut) == (["a", "b", "c"], True)
    html = context_rows(change_of(), lines, Place(2, 2, 20), options=Options(), cut=cut)
    assert html.count(b"<tr") == 2
    assert html.count(b"No newline at end of file") == 1
    assert context_rows(change_of(), lines, Place(4, 4, 20), options=Options()) == b"<tbody></tbody>"
    assert lines_of(b"a\n") == (["a"], False)


def test_every_argument_makes_another_etag():
    change = change_of()
    tags = {
        context_etag(change, Options(), Place(1, 1, 20)), context_etag(change, Options(), Place(1, 1, 21)),
        context_etag(change, Options(), Place(1, 2, 20)), context_etag(change, Options("split"), Place(1, 1, 20)),
        context_etag(change_of("b.yaml"), Options(), Place(1, 1, 20)), window_etag(change, Options(), 0, 400),
        window_etag(change, Options(context=23), 0, 400),
    }  # fmt: skip
    assert len(tags) == 7
