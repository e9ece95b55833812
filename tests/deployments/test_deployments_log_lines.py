"""Raw output to log lines: nothing lost, no secret shown, wherever the pieces were cut."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.deployments import output
from apps.deployments.masking import MASK, SecretMask
from apps.deployments.output import LONGEST_LINE, batches, next_lines, take_lines

SECRET = "s3cr3t-Zürich/42+=="
KEY = "-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEEFFFF\n-----END KEY-----\n"
NONE = SecretMask([])


def lines_in_pieces(raw: bytes, mask: SecretMask, cuts: list[int]) -> list[str]:
    """Take ``raw`` over while it grows to each of ``cuts`` and then to its end."""
    found: list[str] = []
    taken = 0
    for end in [*sorted(cuts), len(raw)]:
        while True:
            got = next_lines(
                lambda at, start=taken, end=end: raw[start + at : min(end, start + at + output.WINDOW)],  # type: ignore[misc]
                mask,
                due=len(raw) - taken if end == len(raw) else None,
            )
            if not got.consumed:
                break
            found += got.lines
            taken += got.consumed
    assert taken == len(raw)
    return found


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode()[7:-3],
        base64.urlsafe_b64encode(SECRET.encode() + b"\n").decode(),
    ],
)
def test_every_usual_spelling_of_a_secret_is_masked(spelling: str) -> None:
    (line,) = take_lines(f"token={spelling};".encode(), SecretMask([SECRET]), final=True).lines
    assert spelling not in line
    assert "•••• masked" in line


ODD = "p&ss<w>/rd 'x'+1"


@pytest.mark.parametrize(
    "spelling",
    [
        quote(ODD),
        quote_plus(ODD),
        quote(ODD, safe="").replace("%2F", "%2f").replace("%3C", "%3c").replace("%3E", "%3e").replace("%2B", "%2b"),
        escape(ODD),
        escape(ODD, quote=False),
        r"p\u0026ss\u003cw\u003e/rd 'x'+1",
    ],
)
def test_a_secret_with_odd_characters_is_masked_as_tools_escape_it(spelling: str) -> None:
    assert take_lines(f"a {spelling} b".encode(), SecretMask([ODD]), final=True).lines == ("a •••• masked b",)


@pytest.mark.parametrize("width", [64, 76])
def test_base64_of_a_key_is_masked_in_the_lines_in_which_tools_wrap_it(width: int) -> None:
    encoded = base64.b64encode(KEY.encode()).decode()
    printed = "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    lines = take_lines(printed.encode(), SecretMask([KEY]), final=True).lines
    assert set(lines) == {"•••• masked"}


def test_a_key_of_several_lines_is_masked_as_a_whole_and_line_by_line() -> None:
    mask = SecretMask([KEY])
    assert take_lines(KEY.encode(), mask, final=True).lines == ("•••• masked",)
    (line,) = take_lines(b"  DDDDEEEEFFFF  \n", mask, final=True).lines
    assert line == "  •••• masked  "


@given(
    pieces=st.lists(st.sampled_from([SECRET, KEY, "plain\n", "s3cr3t-", "\n", "é", "-----BEGIN KEY-----\n", "x" * 40])),
    cuts=st.lists(st.integers(0, 400)),
)
@settings(max_examples=200, deadline=None)
def test_cuts_never_show_a_secret_or_lose_a_line(pieces: list[str], cuts: list[int]) -> None:
    raw = "".join(pieces).encode()
    mask = SecretMask([SECRET, KEY])
    whole = lines_in_pieces(raw, mask, [])
    assert lines_in_pieces(raw, mask, [cut for cut in cuts if cut < len(raw)]) == whole
    assert SECRET not in "\n".join(whole)
    assert "AAAABBBBCCCC" not in "\n".join(whole)


def test_a_secret_at_the_edge_of_a_window_without_newline_is_not_cut_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "WINDOW", 64)
    raw = b"a" * 55 + SECRET.encode() + b"b" * 200
    assert "".join(lines_in_pieces(raw, SecretMask([SECRET]), [])) == "a" * 55 + MASK.decode() + "b" * 200


def test_carriage_returns_nul_and_broken_utf8_become_storable_text() -> None:
    raw = b"one\rtwo\r\nz\x00\xff\n\x1b[31mred\x1b[0m\nlast"
    assert take_lines(raw, NONE, final=True).lines == ("one", "two", "z␀�", "\x1b[31mred\x1b[0m", "last")


@pytest.mark.parametrize(
    ("raw", "lines", "rest"),
    [
        (b"\r12 %", (), b"12 %"),
        (b"\r12 %\r13 %\r14 %", ("13 %",), b"14 %"),
        (b"Pull: 1 %\rPull: 20 %\rPull: 3", ("Pull: 20 %",), b"Pull: 3"),
        (b"12 %\r", (), b"12 %\r"),  # a newline may follow, and belong to it
        (b"12 %\r\n", ("12 %",), b""),
        (b"before\n12 %\r13 %\r", ("before", "12 %"), b"13 %\r"),
        (b"one\r\r\ntwo\r\r", ("one",), b"two\r\r"),
        (b"\n\n12 %\rx", ("", "", "12 %"), b"x"),
    ],
)
def test_progress_is_taken_over_while_its_line_goes_on(raw: bytes, lines: tuple[str, ...], rest: bytes) -> None:
    taken = take_lines(raw, NONE, final=False)
    assert (taken.lines, raw[taken.consumed :]) == (lines, rest)


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"".join(b"\r%d %%" % number for number in range(101)) + b"\n", ("100 %",)),
        (
            b"\x1b[32m[#   ] 10 MB/s\x1b[0m\r\x1b[K\x1b[33m[##  ] 9 MB/s\x1b[0m\n",
            ("\x1b[K\x1b[33m[##  ] 9 MB/s\x1b[0m",),
        ),
        (b"pull a: 1 %\rpull a: 99 %\rpull b: 2 %\rpull b: 100 %\n", ("pull a: 99 %", "pull b: 100 %")),
        (b"Error: no such host\rok\n", ("Error: no such host", "ok")),
        (b"90 %\r\x1b[K\ndone\n", ("90 %", "done")),
        (b"\r\r\r\n", ("",)),
    ],
)
def test_of_states_of_one_line_the_last_one_stands_and_no_other_words_are_lost(
    raw: bytes, lines: tuple[str, ...]
) -> None:
    assert take_lines(raw, NONE, final=True).lines == lines


@given(
    pieces=st.lists(st.sampled_from([SECRET, "s3cr3t-", "\r", "\n", "\r\n", "7 %", "word", "x\r"])),
    cuts=st.lists(st.integers(0, 200)),
)
@settings(max_examples=200, deadline=None)
def test_cuts_at_carriage_returns_show_no_secret_and_lose_no_word(pieces: list[str], cuts: list[int]) -> None:
    raw, mask = "".join(pieces).encode(), SecretMask([SECRET])
    whole = lines_in_pieces(raw, mask, [])
    in_parts = lines_in_pieces(raw, mask, [cut for cut in cuts if cut < len(raw)])
    assert SECRET not in "\n".join(in_parts)
    assert not any("\r" in line for line in in_parts)
    shown = iter(in_parts)
    assert all(line in shown for line in whole if line), (
        "in pieces there are more states of a line, and none is missing"
    )


def test_a_progress_that_fills_a_window_is_cut_at_its_last_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "WINDOW", 64)
    raw = b"".join(b"\rstep %03d" % number for number in range(100)) + b"\n"
    lines = lines_in_pieces(raw, NONE, [])
    assert lines[-1] == "step 099"
    assert len(lines) <= len(raw) // 50
    assert all(line.startswith("step ") and len(line) == 8 for line in lines)


def test_half_a_line_waits_until_it_is_whole() -> None:
    assert take_lines(b"one\ntwo", NONE, final=False) == output.Taken(("one",), 4)
    assert take_lines(b"two", NONE, final=False) == output.Taken((), 0)


def test_a_very_long_line_keeps_its_beginning_and_its_end_with_a_note_between() -> None:
    (line,) = take_lines(b"x" * (LONGEST_LINE + 1400) + b"y" * 100 + b"\n", NONE, final=True).lines
    assert re.fullmatch(r"x{6144} … \[1,500 more characters are not shown\] … x{1948}y{100}", line)


def test_a_line_of_a_megabyte_is_one_line_and_what_stands_last_in_it_is_there() -> None:
    raw = b'{"error":"' + b"x" * 1_000_000 + b'","cause":"quota"}\nnext\n'
    first, second = lines_in_pieces(raw, NONE, [300_000, 700_000])
    assert first.startswith('{"error":"xxx')
    assert first.endswith('xxx","cause":"quota"}')
    assert second == "next"


def test_a_line_without_end_is_taken_in_parts_that_can_be_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "WINDOW", 64)
    asked: list[int] = []

    def read(offset: int) -> bytes:
        asked.append(offset)
        return b"x" * 64

    taken = next_lines(read, NONE, due=None)
    assert (taken.lines, taken.consumed) == (("x" * 1024,), 1024)
    assert asked == list(range(0, 1024, 64))


def test_batches_keep_order_and_limits() -> None:
    lines = tuple(str(number) for number in range(1201))
    parts = list(batches(lines))
    assert [len(part) for part in parts] == [500, 500, 201]
    assert [line for part in parts for line in part] == list(lines)
    assert [len(part) for part in batches(("y" * 60_000, "y" * 60_000))] == [1, 1]
