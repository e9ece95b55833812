"""Lines around a change over HTTP: immutable, only what both sides have in common, and a page without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.presentation import diff_context
from tests.web.conftest import World

AS = Callable[[str], Client]


def addresses(client: Client, world: World) -> tuple[str, str, str]:
    """(address of a gap, id of its file, the whole page)."""
    page = client.get(world.url("open", "diff/")).content.decode()
    url = re.search(r'data-context-url="([^"]+)"', page)
    row = re.search(r'data-gap="(\d+),(\d+),(-?\d+)"', page)
    section = re.search(r'<section class="df" id="f-([0-9a-f]+)"(?:(?!<section).)*?data-gap', page, re.DOTALL)
    assert url is not None and row is not None and section is not None
    base = url[1].replace("&amp;", "&").replace("{id}", section[1])
    return f"{base}&old={row[1]}&new={row[2]}&count=20", section[1], page


def test_more_lines_come_as_rows_and_never_change(world: World, as_: AS, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = as_("bob")
    url, file_id, _ = addresses(bob, world)
    answer = bob.get(url)
    assert answer.status_code == 200
    assert f'id="f-{file_id}-R8"' in answer.content.decode()
    assert "immutable" in answer["Cache-Control"]

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("Git was asked")

    monkeypatch.setattr(diff_context.objects, "read_blob", refuse)
    again = bob.get(url, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert bob.get(url).content == answer.content


def test_an_outsider_and_an_unknown_file_get_nothing(world: World, as_: AS) -> None:
    url, file_id, _ = addresses(as_("bob"), world)
    assert as_("mallory").get(url).status_code == 404
    assert as_("bob").get(url.replace(file_id, "0" * 8)).status_code == 404


@pytest.mark.parametrize(
    "wrong", ["&old=1&new=3&count=9", "&old=1&new=1&count=9", "", "&old=x&new=1&count=1", "&old=0&new=0&count=5"]
)
def test_lines_that_are_not_the_same_on_both_sides_are_refused(world: World, as_: AS, wrong: str) -> None:
    bob = as_("bob")
    url, _, _ = addresses(bob, world)
    answer = bob.get(url.split("&old=")[0] + wrong)
    assert answer.status_code in {400, 422}


def test_without_scripts_the_link_shows_the_file_with_more_lines(world: World, as_: AS) -> None:
    bob = as_("bob")
    _, file_id, page = addresses(bob, world)
    link = re.search(r'href="(\?[^"]*context=23[^"#]*)#', page)
    assert link is not None
    more = bob.get(world.url("open", "diff/") + link[1].replace("&amp;", "&")).content.decode()
    assert more.count('<section class="df"') == 1
    assert more.count(f'id="f-{file_id}-R') > page.count(f'id="f-{file_id}-R')
    assert "context=23" in more.split("data-rows-url")[1].split(">")[0]
    whole = bob.get(world.url("open", f"diff/?file={file_id}&context=999999")).content.decode()
    assert whole.count(f'<tr id="f-{file_id}-R') == 39
