"""Raw output to log lines: nothing lost, no secret shown, wherever the pieces were cut."""

from __future__ import annotations

import base64
import json
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.deployments import output
from apps.deployments.masking import MASK, SecretMask
from apps.deployments.output import LONGEST_LINE, batches, take_lines

SECRET = "s3cr3t-Zürich/42+=="
KEY = "-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEEFFFF\n-----END KEY-----\n"
NONE = SecretMask([])


def lines_in_pieces(raw: bytes, mask: SecretMask, cuts: list[int]) -> list[str]:
    """Take ``raw`` over while it grows to each of ``cuts`` and then to its end."""
    found: list[str] = []
    taken = 0
    for end in [*sorted(cuts), len(raw)]:
        final = end == len(raw)
        while True:
            window = raw[taken : min(end, taken + output.WINDOW)]
            got = take_lines(window, mask, final=final and taken + len(window) == len(raw))
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
    raw = b"10%\r20%\r\nz\x00\xff\n\x1b[31mred\x1b[0m\nlast"
    assert take_lines(raw, NONE, final=True).lines == ("10%", "20%", "z␀�", "\x1b[31mred\x1b[0m", "last")


def test_half_a_line_waits_until_it_is_whole() -> None:
    assert take_lines(b"one\ntwo", NONE, final=False) == output.Taken(("one",), 4)
    assert take_lines(b"two", NONE, final=False) == output.Taken((), 0)


def test_a_very_long_line_is_cut_with_a_note() -> None:
    (line,) = take_lines(b"x" * (LONGEST_LINE + 1500) + b"\n", NONE, final=True).lines
    assert line == "x" * LONGEST_LINE + " … [1,500 more characters are not shown]"


def test_batches_keep_order_and_limits() -> None:
    lines = tuple(str(number) for number in range(1201))
    parts = list(batches(lines))
    assert [len(part) for part in parts] == [500, 500, 201]
    assert [line for part in parts for line in part] == list(lines)
    assert [len(part) for part in batches(("y" * 60_000, "y" * 60_000))] == [1, 1]
