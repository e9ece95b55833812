"""`w=1`: white space is left out, what is hidden is counted and named, and nothing can be decided from there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.changes import services as changes
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import World, settle

AS = Callable[[str], Client]
ALICE = "Alice <alice@example.org>"


@pytest.fixture
def spaced(world: World) -> World:
    values = "".join(f"key{n}: {n}\n" for n in range(40))
    files = {
        "app/values.yaml": values.replace("key3: 3", "key3: 33").replace("key9: 9", "  key9: 9"),
        "app/only.yaml": "a: 1\n",
    }
    branch_with(world.work, "first", {"app/only.yaml": "a:\n  b: 1\n"}, author=ALICE)
    world.work.run("push", "-q", "origin", "HEAD:refs/heads/main")
    branch_with(world.work, "spaced", {**files, "app/only.yaml": "a:\n    b: 1\n"}, author=ALICE, at="first")
    pushed(world.repository, world.work)
    made = changes.create_change(
        world.people.alice, repository=world.repository, title="Spaces", source_branch="spaced", target_branch="main"
    )
    world.numbers["spaced"] = made.number
    settle()
    return world


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def test_hiding_tricks_case_15_nobody_approves_in_a_view_without_white_space(spaced: World, as_: AS) -> None:
    bob = as_("bob")
    shown = bob.get(spaced.url("spaced", "diff/")).content.decode()
    assert 'id="review-form"' in shown
    hidden = bob.get(spaced.url("spaced", "diff/?w=1")).content.decode()
    assert 'id="review-form"' not in hidden
    assert "/reviews/" not in hidden
    assert 'name="verdict"' not in hidden
    assert "Nothing is decided in a view that hides changes" in hidden


def test_what_is_hidden_is_counted_named_and_one_click_away(spaced: World, as_: AS) -> None:
    bob = as_("bob")
    html = bob.get(spaced.url("spaced", "diff/?w=1")).content.decode()
    text = text_of(html)
    assert "Whitespace differences are hidden: 4 lines in 2 files; you cannot approve in this view." in text
    assert "Only whitespace differs: 2 changed lines are hidden" in text
    assert "Whitespace differs as well: 2 changed lines are hidden" in text
    assert "app/only.yaml" in text
    back = re.search(r'id="diff-whitespace".*?href="([?][^"]+)"', html)
    assert back is not None
    assert 'id="review-form"' in bob.get(spaced.url("spaced", "diff/") + back[1].replace("&amp;", "&")).content.decode()


@pytest.mark.parametrize("view", ["unified", "split"])
def test_rows_files_and_links_of_the_view_stay_in_the_view(spaced: World, as_: AS, view: str) -> None:
    bob = as_("bob")
    html = bob.get(spaced.url("spaced", f"diff/?w=1&view={view}")).content.decode()
    rows = re.search(r'data-rows-url="([^"]+)"', html)
    assert rows is not None
    url = rows[1].replace("&amp;", "&")
    assert "w=1" in url
    ids = re.findall(r'<section class="df" id="f-([0-9a-f]+)"', html)
    bodies = [bob.get(url.replace("{id}", one)).content.decode() for one in ids]
    assert sum(body.count("33") for body in bodies) >= 1
    assert all("removed </span>key9" not in body for body in bodies)
    plain = bob.get(url.replace("{id}", ids[0]).replace("&w=1", ""))
    assert plain["ETag"] != bob.get(url.replace("{id}", ids[0]))["ETag"]


def test_the_api_counts_what_it_leaves_out(spaced: World, as_: AS) -> None:
    bob = as_("bob")
    address = f"/api/v1/changes/{spaced.numbers['spaced']}/diff/"
    whole, less = bob.get(address).json(), bob.get(f"{address}?whitespace=ignore").json()
    assert (whole["whitespace"], whole["hidden_lines"]) == ("shown", 0)
    assert (less["whitespace"], less["hidden_lines"]) == ("ignored", 4)
    assert [row["path"] for row in less["files"]] == [row["path"] for row in whole["files"]]
    assert next(row for row in less["files"] if row["path"] == "app/only.yaml")["hunks"] == []
