"""Characters that look like ASCII and are not are tokens; texts in other alphabets are left alone (RELIABILITY case 14)."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest

from apps.diffs import parse
from apps.diffs.characters import escape_line, is_invisible, plain
from apps.diffs.files import FileFacts, describe, with_ids
from apps.diffs.fragments import Options, render_file, render_section, render_shell
from apps.diffs.highlight import Painter
from apps.diffs.lexers import LEXERS
from apps.diffs.lookalikes import LETTERS, SIGNS, count, find, form_of, named
from apps.diffs.shapes import to_json
from tests.support.diff_html import FragmentReader

ALPHABETS = {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN", "LATIN"}

SHOWN = [
    ("host: p\u0430ypal.com", "host: p[\u0430 U+0430]ypal.com"),  # Cyrillic a among Latin letters
    ("l\u043eg: 1", "l[\u043e U+043E]g: 1"),
    ("f\u03bf\u03bf: 1", "f[\u03bf U+03BF][\u03bf U+03BF]: 1"),  # Greek omicron
    ("\u0440\u0430\u0443\u0440\u0430l", "[\u0440 U+0440][\u0430 U+0430][\u0443 U+0443][\u0440 U+0440][\u0430 U+0430]l"),
    ("\u0430\u0440\u0440: web", "[\u0430 U+0430][\u0440 U+0440][\u0440 U+0440]: web"),  # a whole word of them
    ("host: \u0441\u0435.com # \u043f\u0440\u0438\u0432\u0435\u0442", None),  # a foreign comment excuses nothing
    ("\uff41: 1", "[\uff41 U+FF41]: 1"),  # full width
    ("a\uff1a 1", "a[\uff1a U+FF1A] 1"),
    ("\U0001d41a: 1", "[\U0001d41a U+1D41A]: 1"),  # mathematical bold
    ("a\u037e", "a[\u037e U+037E]"),  # Greek question mark, which is a semicolon
    ("evil.com\u2215x", "evil.com[\u2215 U+2215]x"),
    ("\u2212x", "[\u2212 U+2212]x"),
    ("my\u2010flag", "my[\u2010 U+2010]flag"),
]  # fmt: skip
LEFT_ALONE = [
    "plain: text",
    "name: \u00e4\u00f6\u00fc \u00e9 \u00f1 \u0142",
    "# \u043f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",  # Russian
    "# \u043c\u0430\u043c\u0430 \u0438 \u043f\u0430\u043f\u0430, \u0430 \u0442\u0430\u043a\u0436\u0435 \u0441 \u043d\u0438\u043c\u0438",
    "# \u03b3\u03b5\u03b9\u03b1 \u03c3\u03bf\u03c5 \u03ba\u03cc\u03c3\u03bc\u03b5",  # Greek
    "\u540d\u524d: \u6771\u4eac",
    "5 \u2212 3 \u2013 2",
    "\U0001f600 \u2713 \u2192",
]


@pytest.mark.parametrize(("line", "shown"), SHOWN)
def test_what_looks_like_ascii_is_shown_with_its_code(line, shown):
    assert named(line) == shown if shown else "U+0441" in named(line)
    for language in LEXERS:
        html = Painter(LEXERS[language]).paint([line])[0][0]
        reader = FragmentReader(f"<table><tbody><tr><td>{html}</table>".encode())
        assert reader.text == named(line)
        assert 'class="inv"' in html


@pytest.mark.parametrize("line", LEFT_ALONE)
def test_ordinary_text_in_any_language_is_left_alone(line):
    assert find(line) == {}
    assert plain(line) == line
    assert escape_line(line) == line


def test_the_table_holds_letters_of_the_alphabets_that_it_names():
    for char, target in LETTERS.items():
        assert unicodedata.name(char).split()[0] in ALPHABETS, hex(ord(char))
        assert unicodedata.category(char)[0] == "L"
        assert target.isascii()
        assert target.isalnum()
    assert all(unicodedata.category(char)[0] in "PSL" for char in SIGNS)
    assert not LETTERS.keys() & SIGNS.keys()


def test_every_other_form_of_an_ascii_character_is_found():
    for code in range(0x80, sys.maxunicode + 1):
        char = chr(code)
        if form_of(char) and not is_invisible(char):
            assert find(f"x {char} x") == {2: char}, hex(code)


def patch_of(line):
    return f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@ {line}\n-a\n+{line}\n".encode()


def change_of(path="a.yaml"):
    return with_ids([parse.RawChange("M", path, path, "100644", "100644", "1" * 40, "2" * 40, None)])[0]


def test_they_are_counted_and_named_above_the_rows():
    patch = patch_of("host: p\u0430yp\u0430l")
    facts = describe(change_of(), patch)
    assert facts.lookalikes == (("\u0430", 2),)
    assert FileFacts.of_json(facts.as_json()) == facts
    text = FragmentReader(render_file(change_of(), patch).html).text
    assert '2 characters look like ASCII and are not: U+0430 CYRILLIC SMALL LETTER A, looks like "a" (2)' in text
    assert to_json(change_of(), patch)["lookalike_characters"] == {'U+0430 CYRILLIC SMALL LETTER A, looks like "a"': 2}


def test_a_file_name_shows_them_in_heading_shell_and_words():
    change = change_of("env/pr\u043ed.yaml")
    facts = describe(change, patch_of("a: 1"))
    assert facts.lookalikes == (("\u043e", 1),)
    token = "pr[\u043e U+043E]d.yaml"
    assert token in change.display_path
    assert token in FragmentReader(render_section(change, facts, b"")).text
    assert token in FragmentReader(render_shell(change, facts, options=Options())).text


def test_marks_and_tokens_stand_together():
    patch = "diff --git a/x b/x\n@@ -1 +1 @@\n-host: paypal\n+host: p\u0430ypal\n".encode()
    reader = FragmentReader(render_file(change_of(), patch).html)
    assert "".join(reader.marked) == "paypal" + "p[\u0430 U+0430]ypal"


def test_a_long_text_of_candidates_takes_no_longer_than_its_length():
    started = time.process_time()
    assert count("\u0430 " * 200_000)
    assert find("\u0430" * 100_000 + "x")
    assert time.process_time() - started < 5
