"""Tiers, budgets, keys, JSON, states of lexers."""

from __future__ import annotations

import json

import pytest

from apps.diffs import parse
from apps.diffs.files import FileFacts, describe, with_ids
from apps.diffs.fragments import FIRST_ROWS, Options, render_file, window_etag
from apps.diffs.highlight import Painter, painter_for
from apps.diffs.keys import etag, fragment_key
from apps.diffs.lexers import LEXERS
from apps.diffs.pages import stream_sections, whole_page
from apps.diffs.shapes import file_json, to_json
from apps.diffs.tiers import NAMED_LINES, plan


def changes_of(*paths):
    return with_ids([parse.RawChange("M", p, p, "100644", "100644", "1" * 40, "2" * 40, None) for p in paths])


def facts(changed, kind="text", size=1_000):
    return FileFacts(kind, changed, 0, size)


def patch_of(lines):
    body = "".join(f"+line {n}\n" for n in range(lines))
    return f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,{lines} @@\n{body}".encode()


@pytest.mark.parametrize(
    ("files", "lines", "tier", "inline"),
    [(3, 10, 1, 3), (30, 100, 1, 30), (31, 100, 2, 10), (40, 1_001, 3, 0), (2_001, 1, 3, 0), (2_000, 20, 2, 10)],
)
def test_tier_by_lines_and_files(files, lines, tier, inline):
    changes = changes_of(*(f"d{n % 7}/f{n}.yaml" for n in range(files)))
    result = plan(changes, {change.id: facts(lines) for change in changes})
    assert result.tier == tier
    assert sum(item.display == "inline" for item in result.files) == inline
    assert sorted(item.change.id for item in result.files) == sorted(change.id for change in changes)
    assert sum(result.folders.values()) == (files if tier == 3 else 0)
    assert tier == 3 or [item.change for item in result.files] == changes


@pytest.mark.parametrize(
    ("path", "fact", "reason"),
    [
        ("a.yaml", facts(1_501), "Large: 1,501 changed lines"), ("a.yaml", facts(1_500), ""),
        ("a.yaml", facts(9, size=500_001), "Large: 500,001 bytes of difference"), ("a.png", facts(0, "binary"), "Binary file"),
        ("x/package-lock.json", facts(NAMED_LINES + 1), "Lock file: 101 changed lines"),
        ("vendor/evil.yaml", facts(NAMED_LINES), ""), ("vendor/big.go", facts(400), "Vendored: 400 changed lines"),
    ],
)  # fmt: skip
def test_a_file_is_closed_with_its_reason(path, fact, reason):
    [change] = changes_of(path)
    [item] = plan([change], {change.id: fact}).files
    assert item.reason == reason
    assert (item.display == "closed") == bool(reason)


def test_an_uncounted_change_is_never_taken_for_a_small_one():
    changes = changes_of("a", "b")
    assert plan(changes, {changes[0].id: facts(1)}).tier == 2


def test_the_first_response_has_the_budget_of_rows_and_reads_no_further():
    changes = changes_of(*(f"f{n}.yaml" for n in range(50)))
    read = []

    def patches():
        for change in changes:
            read.append(change.id)
            yield change, patch_of(150)

    chunks = list(stream_sections(plan(changes, {}), patches(), options=Options()))
    html = b"".join(chunks)
    assert len(chunks) == 50
    assert html.count(b'<tr class="a"') + html.count(b'<tr class="h"') == FIRST_ROWS
    assert len(read) == 3
    assert html.count(b'data-state="load"') == 47
    assert html.count(b'class="mr"') == 1
    assert b"not counted yet" in html


def test_a_closed_file_gives_its_rows_to_the_next_one():
    changes = changes_of("a.yaml", "b.yaml")
    pairs = [(changes[0], patch_of(2_000)), (changes[1], patch_of(5))]
    known = {change.id: describe(change, patch) for change, patch in pairs}
    first, second = stream_sections(plan(changes, known), pairs, options=Options(), facts=known)
    assert b"Large: 2,000 changed lines" in first
    assert b"<table" not in first
    assert b'line <span class="u">4</span>' in second


def test_load_all_shows_every_row():
    changes = changes_of("a.yaml", "b.yaml")
    html = b"".join(whole_page([(changes[0], patch_of(2_000)), (changes[1], patch_of(5))], options=Options("split")))
    assert html.count(b'<tr class="x"') == 2_005


def test_a_window_late_in_a_huge_file_is_right():
    [change] = changes_of("a.yaml")
    fragment = render_file(change, patch_of(50_000), start_row=49_801, max_rows=400)
    assert fragment.next_row is None
    assert fragment.rows == 200
    assert fragment.html.startswith(
        b'<tbody data-start="49801"><tr class="a" id="f-' + change.id.encode() + b'-R49801">'
    )


def test_every_argument_makes_another_key():
    base = ("a" * 40, "b" * 40, ("p", "q"), "split", {"start": 0})
    keys = {
        fragment_key(*base), fragment_key("c" * 40, *base[1:]), fragment_key(base[0], "c" * 40, *base[2:]),
        fragment_key(*base[:2], ("p", "r"), *base[3:]), fragment_key(*base[:3], "unified", {"start": 0}),
        fragment_key(*base[:4], {"start": 1}), fragment_key(*base[:2], ("p\udce9", "q"), *base[3:]),
    }  # fmt: skip
    assert len(keys) == 7
    assert etag("x") == '"x"'
    [change] = changes_of("a")
    assert window_etag(change, Options(), 0, 400) == window_etag(change, Options(), 0, 400)
    assert window_etag(change, Options("split"), 0, 400) != window_etag(change, Options(), 0, 400)


def test_json_has_the_shape_of_the_api():
    [change] = changes_of("a.yaml")
    patch = b"diff --git a/a b/a\n@@ -1,2 +1,2 @@ key:\n a\n-b\n+c\n\\ No newline at end of file\n"
    shape = json.loads(json.dumps(to_json(change, patch)))
    assert (shape["status"], shape["path"], shape["kind"], shape["added"], shape["removed"]) == (
        "changed",
        "a.yaml",
        "text",
        1,
        1,
    )
    assert shape["hunks"] == [
        {
            "header": "@@ -1,2 +1,2 @@", "section": "key:", "old_start": 1, "old_count": 2, "new_start": 1, "new_count": 2,
            "lines": [
                {"kind": "context", "old": 1, "new": 1, "text": "a"},
                {"kind": "removed", "old": 2, "new": None, "text": "b"},
                {"kind": "added", "old": None, "new": 2, "text": "c", "no_newline": True},
            ],
        }
    ]  # fmt: skip
    assert "hunks" not in file_json(change)
    assert to_json(change, b"diff --git a/a b/a\n@@ x\n")["problem"]


def test_facts_survive_json():
    fact = FileFacts("text", 1, 2, 3, ("mode 644 → 755",), (("[CR]", 2),), clean=False)
    assert FileFacts.of_json(json.loads(json.dumps(fact.as_json()))) == fact


STATES = [
    ("yaml", ["a: |", "  key: text", "", "  # more", "b: 1"], ["k", "s", "", "s", "k"]),
    ("yaml", ["- run: |-", "    x: 1", "- y: 2"], ["k", "s", "k"]),
    ("yaml", ["{{/* one", "two: 1", "*/}}", "a: 1"], ["c", "c", "c", "k"]),
    ("hcl", ["policy = <<-EOT", "  a = 1", "  EOT", "b = 2"], ["k", "s", "s", "k"]),
    ("hcl", ["/* a", "b = 1", "*/", "b = 2"], ["c", "c", "c", "k"]),
    ("python", ['"""doc', "import x", '"""', "import y"], ["s", "s", "s", "w"]),
    ("shell", ["cat <<EOF", "if x", "EOF", "if x"], ["", "s", "s", "w"]),
    ("dockerfile", ["RUN a \\", "  FROM b", "FROM c"], ["w", "", "w"]),
]


@pytest.mark.parametrize(("language", "lines", "classes"), STATES)
def test_state_is_carried_over_lines_and_ends(language, lines, classes):
    painter = Painter(LEXERS[language])
    for _ in range(2):  # cold, then from the memo
        painted, state = painter.paint(lines)
        for html, name in zip(painted, classes, strict=True):
            found = html.lstrip("- ").partition('<span class="')[2][:1] if html.lstrip("- ").startswith("<span") else ""
            assert found == name, (html, name)
        assert state == 0


def test_the_memo_is_bounded(monkeypatch):
    monkeypatch.setattr("apps.diffs.highlight.MAX_REMEMBERED", 100)
    painter = Painter(LEXERS["yaml"])
    painter.paint([f"a{n}: 1" for n in range(1_000)])
    assert sum(len(known) for known in painter._memo.values()) <= 100
    painter.paint([f"{'x' * n}: |" for n in range(50)])
    assert painter_for("a.yaml") is painter_for("b.yml")
