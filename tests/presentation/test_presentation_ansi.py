"""ANSI colours become classes; nothing else in a log line acts."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.terminal import SEQUENCE
from apps.deployments.masking import SecretMask
from apps.deployments.output import LONGEST_LINE, LONGEST_STORED, take_lines
from apps.presentation.ansi import line_html, without_sequences
from apps.presentation.log_html import level_of


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


def token(words: str) -> str:
    return f'<span class="inv">[{words}]</span>'


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
        ("\x1b[38;5", f"{token('U+001B')}[38;5"),
        ("\x1b[99999999m\x1b[;;;mx", "x"),
        ("move\x1b[2J\x1b[10;10H\x1b[?25lme", "moveme"),
        ("save\x1b7 50%\x1b[K\x1b[1A\x1b8\x1b(B\x1b[mme", "save 50%me"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", f"{token('link https://evil.example')}link"),
        ("\x1b]8;id=7;https://a.example\x1b\\link\x1b]8;;\x1b\\", f"{token('link https://a.example')}link"),
        ("\x1b]8;id=dropped;x\x07link", f"{token('osc 8;id=dropped;x')}link"),
        ("\x1b]0;title\x1b\\seen", f"{token('osc 0;title')}seen"),
        ("\x1b]0;<b>\u202e\x07seen", f"{token('osc 0;&lt;b&gt;[U+202E]')}seen"),
        ("\x1b]no end", f"{token('ESC ]')}no end"),
        ("\x1bPtext\x1b\\seen", f"{token('ESC P')}textseen"),
        ("\x1bE\x1bR", f"{token('U+001B')}E{token('U+001B')}R"),
        ("\x1b[Error", f"{token('CSI E')}rror"),
        ("\x1b[>4;2m\x1b[12345678K\x1b[1!p", f"{token('CSI &gt;4;2m')}{token('CSI 12345678K')}{token('CSI 1!p')}"),
        ("soft\u00adhyphen\U000e0041", f"soft{token('U+00AD')}hyphen{token('U+E0041')}"),
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
    html = line_html("x" * (LONGEST_STORED + 1234))
    assert html.endswith('<span class="inv">[1,234 more characters in the raw log]</span>')
    assert len(html) < LONGEST_STORED + 200


def test_what_is_kept_of_a_line_is_shown_and_searched_to_its_end():
    filler = LONGEST_LINE - len("ERROR: at the end")
    for more in (b"", b"y" * 150_000):
        raw = more + b"x" * (filler - 1) + b" ERROR: at the end\n"
        (line,) = take_lines(raw, SecretMask([]), final=True).lines
        assert "".join(read(line_html(line)).text) == line
        assert level_of(line) == "error"
        assert without_sequences(line).endswith("at the end")


@pytest.mark.parametrize(
    "storm",
    [
        "\x1b[" * 500_000,
        "\x1b]" + "a" * 1_000_000,
        "\x1b]8;;" * 200_000,
        "\x1b]8;;a" * 100_000,
        "\x1b[" + "0" * 100_000,
    ],
)
def test_an_escape_storm_takes_no_time(storm: str):
    begin = time.process_time()
    assert line_html(storm)
    without_sequences(storm)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("\x1b]0;ERROR: dropped table users\x07ok", "error"),
        ("\x1b]0;npm install\x07error: no such package", "error"),
        ("\x1bE\x1bR\x1bR\x1bO\x1bR", "error"),
        ("\x1b[Error: dropped", "error"),
        ("er\x1b[31mr\x1b[0mo\u200br", "error"),
        ("\x1bPerror", "error"),
        ("\x1b]8;;https://a.example/warning/1\x07ok\x1b]8;;\x07", "warning"),
        ("\x1b[2K\x1b[1Gfine\x1b[0m", ""),
    ],
)
def test_what_a_terminal_would_not_print_is_found(line: str, level: str):
    assert level_of(line) == level
    assert "dropped" not in line or re.search("dropped", without_sequences(line))


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


@given(SPICY)
def test_no_word_is_lost_but_the_letters_of_colours_and_moves(line: str):
    kept = SEQUENCE.sub(lambda found: "" if found.lastgroup in {"sgr", "quiet", "hidden"} else found[0], line)
    text = iter("".join(read(line_html(line)).text))
    assert all(letter in text for letter in kept if letter.isalnum())
    words = iter(without_sequences(line))
    assert all(letter in words for letter in kept if letter.isalnum() and letter not in "0123456789")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_reads_as_it_was_printed(line: str):
    assert "".join(read(line_html(line)).text) == line
    assert without_sequences(line) == line
