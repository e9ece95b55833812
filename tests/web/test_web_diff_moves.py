"""Moved blocks over HTTP: after the first response, both places linked, nothing hidden."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.changes import services as changes
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import FILES, World, settle

AS = Callable[[str], Client]
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def moved(world: World) -> World:
    lines = FILES["app/values.yaml"].splitlines(keepends=True)
    files = {
        "app/values.yaml": "".join(lines[:10] + lines[16:]),
        "app/base.yaml": "base:\n" + "".join(f"  {line}" for line in lines[10:16]),
    }
    branch_with(world.work, "moved", files, author="Alice <alice@example.org>")
    pushed(world.repository, world.work)
    world.numbers["moved"] = changes.create_change(
        world.people.alice, repository=world.repository, title="Move", source_branch="moved", target_branch="main"
    ).number
    settle()
    return world


def test_a_moved_block_is_hinted_with_both_places_and_its_new_indentation(moved: World, as_: AS) -> None:
    bob = as_("bob")
    page = bob.get(moved.url("moved", "diff/")).content.decode()
    asked = re.search(r'hx-get="(/changes/\d+/_diff/moves/[^"]+)"', page)
    assert asked is not None
    html = bob.get(asked[1].replace("&amp;", "&"), headers=FRAGMENT).content.decode()
    assert "1 block was moved" in re.sub(r"\s+", " ", html)
    assert "app/values.yaml</bdi>:11–16" in html
    assert "app/base.yaml</bdi>:2–7" in html
    assert "<b>indented 2 spaces deeper</b>" in html
    rows = re.findall(r'data-(?:old|new)="([^"]+)"', html)
    assert all(f'id="{row}"' in page for row in rows), "the hint leads to rows of the page"
    for link in re.findall(r'href="([^"#]+)#', html):
        assert bob.get(link.replace("&amp;", "&")).status_code == 200


def test_a_hint_hides_no_line(moved: World, as_: AS) -> None:
    page = as_("bob").get(moved.url("moved", "diff/")).content.decode()
    assert page.count('<tr class="d"') == 6
    assert page.count('<tr class="a"') == 7


def test_without_scripts_it_is_a_page_and_an_outsider_sees_none(moved: World, as_: AS) -> None:
    url = moved.url("moved", "_diff/moves/")
    assert "<html" in as_("bob").get(url).content.decode()
    assert as_("mallory").get(url).status_code == 404
