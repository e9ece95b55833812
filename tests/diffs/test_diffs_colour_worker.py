"""Colours by another process: our markup only, and one that hangs is killed while the page and the next question go on."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest

from apps.diffs import parse
from apps.diffs.colour_worker import coloured
from apps.diffs.files import with_ids
from apps.diffs.fragments import Options, render_file
from apps.diffs.highlight import html_of_parts
from apps.presentation import colouring
from apps.presentation.colouring import Colouring
from tests.support.diff_html import FragmentReader

REGO = ["package a", "# <b>why", 'deny[msg] { input.kind == "Pod" }', "", "count := 12"]
HANGING = textwrap.dedent("""
    import re
    from pygments.lexer import RegexLexer
    from pygments.token import Name
    from apps.diffs import colour_worker
    class Slow(RegexLexer):
        tokens = {"root": [(r"(a+)+$", Name), (r".|\\n", Name)]}
    known = colour_worker.find_lexer_class_for_filename
    colour_worker.find_lexer_class_for_filename = lambda name: Slow if name.endswith(".slow") else known(name)
    colour_worker.main()
""")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Colouring]:
    monkeypatch.setattr(colouring, "SECONDS", 5.0)
    monkeypatch.setattr(colouring, "START_SECONDS", 60.0)
    made = Colouring()
    yield made
    made.close()


def test_lines_of_another_language_have_our_classes_and_their_own_text(asked: Colouring) -> None:
    html = asked.html_of("policy/a.rego", REGO)
    assert html is not None
    reader = FragmentReader("".join(f"<p>{html[line]}</p>" for line in REGO).encode())
    assert reader.text == "".join(REGO)
    assert "c" in reader.classes_seen
    assert asked.html_of("a.zzz-unknown", ["x"]) is None
    assert asked.html_of("b.rego", ["x" * 70_000]) is None


def test_a_lexer_that_hangs_is_killed_and_the_next_question_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colouring, "START_SECONDS", 60.0)
    monkeypatch.setattr(colouring, "SECONDS", 2.0)
    asked = Colouring([sys.executable, "-c", HANGING])
    started = time.monotonic()
    assert asked.html_of("a.slow", ["a" * 60 + "!"]) is None
    assert time.monotonic() - started < 60
    assert asked._idle == []
    monkeypatch.setattr(colouring, "SECONDS", 20.0)
    assert asked.html_of("a.rego", REGO) is not None
    asked.close()


def test_no_more_processes_than_allowed_and_who_finds_none_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colouring, "SECONDS", 3.0)
    monkeypatch.setattr(colouring, "START_SECONDS", 60.0)
    asked = Colouring([sys.executable, "-c", HANGING])
    threads = [
        threading.Thread(target=asked.html_of, args=("a.slow", ["a" * 60 + "!"])) for _ in range(colouring.WORKERS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert asked.html_of("a.rego", REGO) is None
    for thread in threads:
        thread.join()


def test_a_page_whose_colouring_fails_shows_the_plain_text() -> None:
    patch = b"diff --git a/x b/x\n@@ -1 +1 @@\n-package <a>\n+package <b>\n"
    change = with_ids([parse.RawChange("M", "a.rego", "a.rego", "100644", "100644", "1" * 40, "2" * 40, None)])[0]
    plain = render_file(change, patch)
    assert render_file(change, patch, options=Options(colours=lambda _path, _lines: None)).html == plain.html
    seen: list[list[str]] = []

    def colours(_path: str, lines: object) -> dict[str, str]:
        seen.append(list(lines))  # type: ignore[call-overload]
        return {"package <b>": '<span class="w">package</span> &lt;b&gt;'}

    html = render_file(change, patch, options=Options(colours=colours)).html
    assert seen == [["package <b>", "package <a>"]]
    assert b'<span class="w">' in html
    assert FragmentReader(html).code("unified") == FragmentReader(plain.html).code("unified")


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", [[["w", "other"]]], [[["w", "<b>"], ["w", "x"]]], [{"a": 1}], [[["w"]]], [[["w", "ab", "c"]]]],
)
def test_an_answer_that_is_not_about_the_lines_is_refused(answer: object) -> None:
    assert html_of_parts(["ab"], answer) is None


def test_foreign_classes_and_markup_never_reach_the_page() -> None:
    html = html_of_parts(["<b>x"], [[['x" onclick="y', "<b>"], ["w", "x"]]])
    assert html == {"<b>x": '&lt;b&gt;<span class="w">x</span>'}


def test_text_over_many_lines_is_cut_at_its_lines() -> None:
    rows = coloured("a.lua", ["--[[ one", "two ]]", "local x = 1"])
    assert rows is not None
    assert [[text for _, text in row] for row in rows][0:2] == [["--[[ one"], ["two ]]"]]
    assert ["".join(text for _, text in row) for row in rows] == ["--[[ one", "two ]]", "local x = 1"]
