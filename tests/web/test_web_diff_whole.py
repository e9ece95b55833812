"""The whole difference on one page: every row once, streamed file by file, nothing held."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from apps.core.errors import PortalError
from apps.presentation import diff_whole
from apps.presentation.chunks import CHUNK, in_chunks
from apps.presentation.diff_pages import options_of
from apps.presentation.diff_sides import sides_of
from apps.presentation.diff_whole import whole_difference
from tests.support.diff_html import FragmentReader
from tests.support.streaming import body_of
from tests.web.conftest import World

AS = Callable[[str], Client]


def collected(head: bytes, parts: Iterator[bytes], tail: bytes) -> list[bytes]:
    async def gather() -> list[bytes]:
        return [chunk async for chunk in in_chunks(head, parts, tail)]

    return asyncio.run(gather())


@pytest.mark.parametrize("view", ["unified", "split"])
def test_all_rows_come_once_whatever_the_window(world: World, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    sides = sides_of(world.change("open"), "", "")
    assert sides is not None
    options = options_of(sides, view)
    whole = b"".join(whole_difference(sides, options))
    rows = FragmentReader(whole).code(view)
    assert len(rows) > 5
    monkeypatch.setattr(diff_whole, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(diff_whole, "FILES_AT_ONCE", 1)
    assert b"".join(whole_difference(sides, options)) == whole, "what was sent of late is kept"
    diff_whole._WHOLES.clear()
    piecewise = b"".join(whole_difference(sides, options))
    assert FragmentReader(piecewise).code(view) == rows
    assert b"Show the next" not in piecewise
    assert piecewise.count(b"<table") == piecewise.count(b"</table>") == whole.count(b"<table")


def test_the_answer_is_streamed_between_the_halves_of_the_page(world: World, as_: AS) -> None:
    answer = as_("bob").get(world.url("open", "diff/whole/"))
    assert answer.streaming
    assert answer.is_async
    html = body_of(answer).decode()
    assert html.index("On one page" if "On one page" in html else "on one page") < html.index('<section class="df"')
    assert html.rstrip().endswith("</html>")
    assert "rows-of-the-whole-difference" not in html
    assert len(re.findall(r'<section class="df"', html)) == 2
    assert 'id="review-form"' not in html
    assert as_("mallory").get(world.url("open", "diff/whole/")).status_code == 404


def test_asked_by_htmx_it_is_the_rows_alone(world: World, as_: AS) -> None:
    answer = as_("bob").get(world.url("open", "diff/whole/"), headers={"HX-Request": "true"})
    html = body_of(answer).decode()
    assert html.startswith('<section class="df"')
    assert "<html" not in html
    assert as_("mallory").get(world.url("open", "diff/whole/"), headers={"HX-Request": "true"}).status_code == 404


def test_nothing_is_made_before_it_is_wanted() -> None:
    made: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(10):
            made.append(number)
            yield b"x" * CHUNK

    async def first_two() -> None:
        stream = in_chunks(b"head", parts(), b"tail")
        assert await anext(stream) == b"head"
        assert made == []
        assert len(await anext(stream)) == CHUNK
        assert made == [0]

    asyncio.run(first_two())
    assert collected(b"<", iter([b"a", b"b"]), b">") == [b"<", b"ab", b">"]


def test_an_error_in_the_middle_is_said_where_it_happened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = sides_of(world.change("open"), "", "")
    assert sides is not None

    def fail(*_args: object) -> None:
        raise PortalError("gone", "The mirror is <away>.")

    monkeypatch.setattr(diff_whole, "patches_of", fail)
    html = b"".join(whole_difference(sides, options_of(sides, "unified"))).decode()
    assert "The difference ends here: The mirror is &lt;away&gt;." in html
