"""Text of other people: Markdown that cannot run, characters that cannot hide."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.presentation.markdown import to_html
from apps.presentation.plain import one_line, visible

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    '[x](https://a.example/"onmouseover="alert(1))',
    "<a href='javascript:alert(1)' style='position:fixed'>x</a>",
    "![x](https://tracker.example/p.png)",
    "```\n</code></pre><script>alert(1)</script>\n```",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_never_runs_or_loads_anything(attack: str) -> None:
    html = to_html(attack)
    for tag in re.findall(r"<[^>]*>", html.lower()):
        assert not re.search(r"<(script|img|style)|\son\w+=|\sstyle=|href=.?(javascript|data|vbscript):", tag), html


def test_markdown_has_lists_tables_and_links_without_reputation() -> None:
    html = to_html("# Why\n\n- a **b**\n\n|x|y|\n|-|-|\n|1|2|\n\n[d](https://d.example)")
    assert "<h3>Why</h3>" in html
    assert "<strong>b</strong>" in html
    assert "<td>2</td>" in html
    assert 'rel="nofollow noopener"' in html


def test_numbers_of_changes_are_links_in_text_only() -> None:
    html = to_html("CHG-12 and `CHG-13` and [CHG-14](https://a.example) and XCHG-15")
    assert html.count('href="/changes/') == 1
    assert 'href="/changes/12/"' in html


def test_characters_that_nobody_sees_are_named() -> None:
    assert visible("a\u202eb\u200bc") == "a⟨U+202E⟩b⟨U+200B⟩c"
    assert one_line("a\nb\t c") == "a b c"
    assert visible("Grüße, 世界 🚀") == "Grüße, 世界 🚀"


@given(st.text(max_size=200))
def test_no_hidden_character_survives(text: str) -> None:
    shown = visible(text)
    assert not set(shown) & {"\u202e", "\u202d", "\u2066", "\u2067", "\u200b", "\ufeff", "\x00", "\x1b"}


@given(st.text(max_size=300))
def test_markdown_of_anything_is_clean(text: str) -> None:
    html = to_html(text)
    assert "<script" not in html.lower()
    assert "\u202e" not in html
