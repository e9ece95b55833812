"""ANSI colours become classes; nothing else in a log line acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.presentation.ansi import MAX_LINE, line_html, without_sequences


class Reader(HTMLParser):
    """What a browser makes of a line: its text, and every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))
        self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.mark.parametrize(
    ("line", "html"),
    [
        ("plain", "plain"),
        ('a < b & c > d "e"', "a &lt; b &amp; c &gt; d &quot;e&quot;"),
        ("\x1b[31mred\x1b[0m done", '<span class="a-red">red</span> done'),
        ("\x1b[1;4;92mloud\x1b[mquiet", '<span class="b u a-bright-green">loud</span>quiet'),
        (
            "\x1b[1mbold\x1b[22mno\x1b[34mblue\x1b[39mno",
            '<span class="b">bold</span>no<span class="a-blue">blue</span>no',
        ),
        ("\x1b[38;5;196mtrue \x1b[38;2;1;2;3mcolours", "true colours"),
        ("\x1b[48;5;1;1mbold on some ground", '<span class="b">bold on some ground</span>'),
        ("\x1b[38;5", "38;5"),
        ("\x1b[99999999m\x1b[;;;mx", "x"),
        ("move\x1b[2J\x1b[10;10H\x1b[?25lme", "moveme"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\seen", "seen"),
        ("bell\x07", 'bell<span class="inv">[U+0007]</span>'),
        ("turned \u202eround", 'turned <span class="inv">[U+202E]</span>round'),
        ("no\u200bspace", 'no<span class="inv">[U+200B]</span>space'),
        ("\x9b31mC1 control", '<span class="inv">[U+009B]</span>31mC1 control'),
        ("\x1b", '<span class="inv">[U+001B]</span>'),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_a_line_is_drawn_like_this(line: str, html: str):
    assert line_html(line) == html


def test_colours_end_with_their_line():
    assert line_html("\x1b[31mred") == '<span class="a-red">red</span>'
    assert line_html("next") == "next"


def test_a_very_long_line_is_cut_and_says_how_much_is_left_out():
    html = line_html("x" * (MAX_LINE + 1234))
    assert html.endswith('<span class="inv">[1,234 more characters in the raw log]</span>')
    assert len(html) < MAX_LINE + 200


def test_an_escape_storm_takes_no_time():
    assert line_html("\x1b[" * 500_000) is not None
    assert line_html("\x1b]" + "a" * 1_000_000) is not None


SPICY = st.text(st.one_of(st.sampled_from("\x1b[]0123456789;mHJ\x07\\<>&\"'"), st.characters()), max_size=200)


@given(SPICY)
def test_whatever_is_printed_only_spans_with_known_classes_come_out(line: str):
    found = read(line_html(line))
    assert found.depth == 0
    for tag, attributes in found.tags:
        assert tag == "span"
        assert [name for name, _ in attributes] == ["class"]
        assert re.fullmatch(r"(inv|b|u|a-(bright-)?[a-z]+)( (u|a-(bright-)?[a-z]+))*", str(attributes[0][1]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", "".join(found.text))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_reads_as_it_was_printed(line: str):
    assert "".join(read(line_html(line)).text) == line
    assert without_sequences(line) == line
