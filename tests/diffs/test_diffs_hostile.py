"""Tricks that hide or inject: the reader sees each one (RELIABILITY cases 8, 10, 14-16, 33, 34, 37)."""

from __future__ import annotations

import re
import sys
import time
import unicodedata

import pytest

from apps.diffs import parse
from apps.diffs.characters import escape, escape_name, is_invisible
from apps.diffs.files import describe, with_ids
from apps.diffs.fragments import Options, render_file, render_section, render_shell
from apps.diffs.highlight import forget_all
from apps.diffs.lexers import LEXERS, language_of
from apps.diffs.marks import forget_marks
from apps.diffs.shapes import to_json
from apps.diffs.tiers import closed_reason, plan
from tests.support.diff_html import FragmentReader
from tests.support.git import GitRepo


def diff_of(tmp_path, before, after, prepare=None):
    """Real Git: {path: bytes} before and after → [(change, patch)]."""
    repo = GitRepo.create(tmp_path / "repo")
    for files in (before, after):
        for path in [p for p in (tmp_path / "repo").rglob("*") if ".git" not in p.parts and not p.is_dir()]:
            path.unlink()
        for name, data in files.items():
            target = tmp_path.joinpath("repo").__fspath__().encode() + b"/" + name
            with open(target, "wb") as file:  # noqa: PTH123 - a path of bytes
                file.write(data)
        if files is after and prepare:
            prepare(tmp_path / "repo")
        repo.run("add", "-A")
        repo.run(
            "-c", "user.name=Alice", "-c", "user.email=alice@example.org", "commit", "-q", "--allow-empty", "-m", "x"
        )
    flags = ("-r", "-M", "-p", "--raw", "-z", "--full-index")
    return list(zip(*parse.read(repo.run_bytes("diff-tree", *flags, "HEAD~1", "HEAD")), strict=True))


HIDDEN = [
    ("\u202e", "[U+202E]"), ("\u2066", "[U+2066]"), ("\u200b", "[U+200B]"), ("\u00a0", "[U+00A0]"), ("\ufeff", "[U+FEFF]"),
    ("\u00ad", "[U+00AD]"), ("\U000e0041", "[U+E0041]"), ("\u3164", "[U+3164]"), ("\ufe0f", "[U+FE0F]"),
    ("\u2028", "[U+2028]"), ("\x1b", "[U+001B]"), ("\x7f", "[U+007F]"), ("\x85", "[U+0085]"), ("\x0c", "[U+000C]"),
]  # fmt: skip


@pytest.mark.parametrize(("char", "token"), HIDDEN)
@pytest.mark.parametrize("where", ["a: x{}y", "a: 'x{}y'", "# x{}y", "{}", "k{}ey: 1"])
def test_an_invisible_character_is_a_visible_token_wherever_it_stands(char, token, where):
    patch = f"diff --git a/x b/x\n@@ -1 +1 @@\n-a: 1\n+{where.format(char)}\n".encode()
    change = with_ids([parse.RawChange("M", "x.yaml", "x.yaml", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
    html = render_file(change, patch).html.decode().replace("<mark>", "").replace("</mark>", "")
    assert f'<span class="inv">{token}</span>' in html
    assert char not in html
    assert "hidden character" in html
    assert describe(change, patch).hidden == ((token, 1),)


def test_the_table_of_invisible_characters_holds_what_unicode_calls_so():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Zs", "Cs", "Co") and char not in "\t ":
            assert is_invisible(char), hex(code)
    assert not any(is_invisible(char) for char in "\t abcäßπж名あ한😀́")


def test_carriage_returns_and_trailing_spaces_are_drawn(tmp_path):
    [(change, patch)] = diff_of(tmp_path, {b"a.yaml": b"a: 1\nb: 2\n"}, {b"a.yaml": b"a: 1\r\nb: 2 \t\n"})
    html = render_file(change, patch).html.decode().replace("<mark>", "").replace("</mark>", "")
    assert '<span class="inv">[CR]</span>' in html
    assert '<span class="ws"> </span><span class="tb">\t</span>' in html


def test_only_white_space_changed_is_still_a_change(tmp_path):
    [(change, patch)] = diff_of(tmp_path, {b"a.yaml": b"a:\n  b: 1\n"}, {b"a.yaml": b"a:\n b: 1\n"})
    assert describe(change, patch).changed == 2


NAMES = [
    b"new\nline.yaml", b"quo\"te.yaml", b"<script>alert(1)<script>.yaml", b"back\\slash", b"caf\xe9.yaml", b"tab\there",
    b"\xe2\x80\xaegnp.yaml", b"x\ndiff --git a b", b" lead", b"a -> b", b"'; drop", b"--output=x", b"&amp;",
]  # fmt: skip


def test_names_with_anything_in_them_are_exact_and_shown_as_text(tmp_path):
    pairs = diff_of(tmp_path, {b"k": b"1\n"}, {b"k": b"1\n", **dict.fromkeys(NAMES, b"a: 1\n")})
    found = {change.path.encode("utf-8", "surrogateescape") for change, _ in pairs}
    assert found == set(NAMES)
    for change, patch in pairs:
        facts = describe(change, patch)
        assert (facts.added, facts.removed) == (1, 0)
        body = render_file(change, patch)
        reader = FragmentReader(render_section(change, facts, body.html))
        assert "alert(1)" not in reader.text or "<script>alert(1)" in reader.text
        assert "\n" not in reader.text
        assert "\u202e" not in reader.text
        FragmentReader(render_shell(change, facts, options=Options(), reason="<b>"))
        assert to_json(change, patch)["hunks"][0]["lines"] == [{"kind": "added", "old": None, "new": 1, "text": "a: 1"}]


def test_bytes_that_are_no_utf8_are_shown_one_by_one_with_a_note(tmp_path):
    [(change, patch)] = diff_of(tmp_path, {b"a.txt": b"ok\n"}, {b"a.txt": b"gr\xfcn \xc3\xa4\n"})
    html = render_file(change, patch).html.decode()
    assert "gr" in html
    assert "[\\xFC]" in html
    assert "ä" in html
    assert "no UTF-8" in html
    assert to_json(change, patch)["hunks"][0]["lines"][1]["text"] == "gr[\\xFC]n ä"


def test_attributes_and_comments_of_the_content_close_nothing(tmp_path):
    attributes = b"* -diff\n*.yaml linguist-generated binary\n"
    diff_of(tmp_path, {b"a.yaml": b"a: 1\n"}, {b"a.yaml": b"# DO NOT EDIT\na: 2\n", b".gitattributes": attributes})
    bare = GitRepo.create(
        tmp_path / "bare", bare=True
    )  # as the portal's mirrors: attributes have no work tree to act in
    bare.run("fetch", "-q", str(tmp_path / "repo"), "HEAD:refs/heads/main")
    flags = ("-r", "-M", "-p", "--raw", "-z", "--full-index")
    changes, patches = parse.read(bare.run_bytes("diff-tree", *flags, "main~1", "main"))
    facts = {change.path: describe(change, patch) for change, patch in zip(changes, patches, strict=True)}
    assert (facts["a.yaml"].kind, facts["a.yaml"].changed) == ("text", 3)
    assert plan(changes, {change.id: facts[change.path] for change in changes}).not_displayed == ()


def test_kinds_and_words(tmp_path):
    def prepare(root):
        (root / "run").chmod(0o755)
        (root / "link").unlink()
        (root / "link").symlink_to("b\u202eb")
        (root / "type").unlink()
        (root / "type").symlink_to("a")

    before = {
        b"run": b"x\n",
        b"link": b"",
        b"type": b"t\n+++ x\n--- y\n",
        b"bin": b"\0a",
        b"moved-from": b"m\n" * 50,
        b"gone": b"",
    }
    after = {**before, b"bin": b"\0b", b"moved-to": b"m\n" * 50, b"empty": b""}
    del after[b"moved-from"], after[b"gone"]
    pairs = diff_of(tmp_path, before, after, prepare)
    facts = {change.path: describe(change, patch) for change, patch in pairs}
    words = {path: " · ".join(fact.words) for path, fact in facts.items()}
    assert (facts["run"].kind, words["run"]) == ("mode_only", "mode 644 → 755")
    assert facts["bin"].kind == "binary"
    assert "symlink → b[U+202E]b, new" in words["link"]
    assert words["type"] == "644 became symlink · symlink → a, new"
    assert (facts["type"].added, facts["type"].removed) == (1, 3)
    moved = "moved-to" if "moved-to" in facts else "empty"
    assert "renamed moved-from → moved-to" in words[moved]
    for change, patch in pairs:
        FragmentReader(render_section(change, None, render_file(change, patch, options=Options("split")).html))


def test_a_submodule_and_a_changed_link_say_from_and_to():
    raw = [
        parse.RawChange("M", "sub", "sub", "160000", "160000", "1" * 40, "2" * 40, None),
        parse.RawChange("M", "l", "l", "120000", "120000", "1" * 40, "2" * 40, None),
    ]
    sub, link = with_ids(raw)
    link_patch = (
        b"diff --git a/l b/l\n@@ -1 +1 @@\n-old\n\\ No newline at end of file\n+new\n\\ No newline at end of file\n"
    )
    assert describe(sub, b"").words == ("submodule 111111111111 → 222222222222",)
    assert describe(link, link_patch).words == ("symlink old → new",)
    assert render_file(link, link_patch).html.count(b"No newline") == 2


def test_ids_that_would_collide_are_made_longer(monkeypatch):
    class Digest:
        def __init__(self, data):
            self.data = data

        def hexdigest(self):
            return "ab" * 4 + self.data.hex().ljust(56, "0")

    monkeypatch.setattr("apps.diffs.files.hashlib.sha256", Digest)
    raw = [parse.RawChange("M", name, name, "100644", "100644", "1" * 40, "2" * 40, None) for name in ("a", "b")]
    first, second = with_ids(raw)
    assert first.id == "abababab"
    assert second.id != first.id
    assert second.id.startswith(first.id)


EVIL = [
    '"' * 20_000,
    "/*" * 10_000,
    " " * 20_000 + "x",
    "- " * 10_000,
    "a:" * 10_000,
    "{{" * 10_000,
    "\\" * 20_000,
    "<<A" * 7_000,
]


@pytest.mark.parametrize("path", ["a.yaml", "a.tf", "a.json", "a.py", "a.sh", "Dockerfile", "a.go", "a.toml", "a.md"])
def test_no_line_makes_colouring_slow(path):
    lexer = LEXERS[language_of(path)]
    for evil in EVIL:
        started = time.process_time()
        lexer(evil[:1_000], 0)
        assert time.process_time() - started < 0.2, evil[:4]


def test_time_grows_with_size_and_not_faster():
    def seconds(lines):
        forget_all()
        forget_marks()
        body = b"".join(b"-a%d: x\n+a%d: y\n" % (n, n) for n in range(lines))
        patch = b"diff --git a/x b/x\n@@ -1,%d +1,%d @@\n" % (lines, lines) + sorted_body(body)
        change = with_ids([parse.RawChange("M", "a.yaml", "a.yaml", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
        best = 9e9
        for _ in range(3):
            started = time.process_time()
            render_file(change, patch, max_rows=10**9)
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(2_000), seconds(16_000)
    assert large < small * 8 * 3, (small, large)


def sorted_body(body: bytes) -> bytes:
    lines = body.split(b"\n")[:-1]
    return b"\n".join([x for x in lines if x[:1] == b"-"] + [x for x in lines if x[:1] == b"+"]) + b"\n"


def test_one_line_of_fifty_megabytes_is_cut_and_named():
    patch = b"diff --git a/x b/x\n@@ -1 +1 @@\n-x\n+" + b"y" * 50_000_000 + b"\n"
    change = with_ids([parse.RawChange("M", "a.json", "a.json", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
    started = time.process_time()
    fragment = render_file(change, patch)
    assert time.process_time() - started < 5
    assert len(fragment.html) < 20_000
    assert fragment.cut_lines == 1
    assert b"49,996,000 more characters are not shown" in fragment.html
    assert closed_reason(change, describe(change, patch)).startswith("Large")
    assert plan([change], {change.id: describe(change, patch)}).not_displayed


def test_a_long_line_is_shown_whole_in_pieces_of_bounded_size():
    line = "".join(f"{n:08d}," for n in range(30_000))
    patch = f"diff --git a/x b/x\n@@ -1 +1 @@\n-x\n+{line}\n".encode()
    change = with_ids([parse.RawChange("M", "a.json", "a.json", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
    seen, piece = "", 1
    while piece:
        html = render_file(change, patch, options=Options(piece=piece)).html.decode()
        assert len(html) < 60_000
        cell = re.findall(r"added </span>(.*?)</tbody>", html, re.DOTALL)[-1]
        seen += re.sub(r"<span class=.cut.>.*?</span>", "", cell)
        assert f"characters {(piece - 1) * 50_000 + 1:,} to" in html
        piece = piece + 1 if f"long={piece + 1}#" in html else 0
    assert seen == line


def test_escaping_of_names_and_text():
    assert escape('<a href="x">&\'') == '&lt;a href="x"&gt;&amp;\''
    assert escape_name("a\tb\nc") == 'a<span class="inv">[U+0009]</span>b<span class="inv">[U+000A]</span>c'
