"""The difference page: the review form first, equal to Git, bounded, cached for ever, readable without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.changes import services as changes
from apps.presentation import diff_pages
from apps.presentation.attested import displayed_by
from apps.presentation.diff_sides import sides_of
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import World, settle

AS = Callable[[str], Client]


def test_the_review_form_stands_before_the_rows(world: World, as_: AS) -> None:
    text = as_("bob").get(world.url("open", "diff/")).content.decode()
    assert 0 < text.index('id="review-form"') < text.index('class="df"')
    assert "Your approval will count for" in text


def test_the_patch_is_what_git_prints(world: World, as_: AS) -> None:
    revision = world.change("open").revision
    assert revision is not None
    printed = world.work.run_bytes(
        "--git-dir", str(world.repository.mirror_path), "diff", "-M", revision.target_oid, revision.result_tree
    )
    assert as_("bob").get(world.url("open", "diff.patch")).content == printed


def test_rows_are_escaped_and_hidden_characters_named(world: World, as_: AS) -> None:
    text = as_("bob").get(world.url("hostile", "diff/")).content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "[U+202E]" in text
    assert "bad&lt;script&gt;.txt" in text


def test_a_fragment_of_a_named_revision_never_changes(world: World, as_: AS) -> None:
    bob = as_("bob")
    page = bob.get(world.url("open", "diff/")).content.decode()
    rows = re.search(r'data-rows-url="([^"]+)"', page)
    file_id = re.search(r'data-file="([0-9a-f]+)"', page)
    assert rows is not None and file_id is not None
    url = rows[1].replace("&amp;", "&").replace("{id}", file_id[1])
    answer = bob.get(url)
    assert "immutable" in answer["Cache-Control"]
    assert answer["Cache-Control"].startswith("private")
    again = bob.get(url, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert as_("mallory").get(url).status_code == 404


def test_a_conflict_names_its_files_and_the_authors_work_stays_visible(world: World, as_: AS) -> None:
    text = as_("bob").get(world.url("conflict", "diff/")).content.decode()
    assert "conflicts with main" in text
    assert "<code>README.md</code>" in text
    assert "hello" in text
    assert "from here" in text


def test_every_old_revision_and_every_pair_can_be_looked_at(world: World, as_: AS) -> None:
    world.work.run("checkout", "-q", "more")
    world.work.commit("more of it", files={"app/second.yaml": "b: 2\n"})
    pushed(world.repository, world.work, "more")
    settle()
    bob = as_("bob")
    old = bob.get(world.url("open", "diff/") + "?to=r1").content.decode()
    assert "app/second.yaml" not in re.sub("<[^>]*>", "", old)
    assert "which is not the present revision" in old
    assert 'id="review-form"' not in old
    between = re.sub("<[^>]*>", "", bob.get(world.url("open", "diff/") + "?from=r1&to=r2").content.decode())
    assert "app/second.yaml" in between
    assert "app/values.yaml" not in between
    assert bob.get(world.url("open", "diff/") + "?to=r99").status_code == 404


def test_a_request_without_code_says_so(world: World, as_: AS) -> None:
    assert "No code yet" in as_("bob").get(world.url("backlog", "diff/")).content.decode()


@pytest.fixture
def large(world: World) -> World:
    files = {f"gen/d{n % 7}/f{n}.yaml": "".join(f"k{row}: {n}\n" for row in range(12)) for n in range(620)}
    branch_with(world.work, "large", files, author="Alice <alice@example.org>")
    pushed(world.repository, world.work)
    made = changes.create_change(
        world.people.alice, repository=world.repository, title="Large", source_branch="large", target_branch="main"
    )
    world.numbers["large"] = made.number
    settle()
    return world


def test_a_large_change_answers_with_a_bounded_page_and_reaches_every_file(large: World, as_: AS) -> None:
    bob = as_("bob")
    answer = bob.get(large.url("large", "diff/"))
    assert len(answer.content) <= 400_000
    text = answer.content.decode()
    assert text.count("<tr") <= 420
    sections = set(re.findall(r'<section class="df" id="f-([0-9a-f]+)"', text))
    more = re.search(r'<a class="btn" rel="next" href="([^"]+)"', text)
    assert more is not None
    rest = bob.get(more[1].replace("&amp;", "&")).content.decode()
    sections |= set(re.findall(r'<section class="df" id="f-([0-9a-f]+)"', rest))
    assert len(sections) == 620
    one = max(sections)
    alone = bob.get(large.url("large", f"diff/?file={one}")).content.decode()
    assert alone.count('<section class="df"') == 1
    assert alone.count('<tr class="a"') == 12


def test_the_counts_of_a_large_change_follow(large: World, as_: AS) -> None:
    page = as_("bob").get(large.url("large", "diff/")).content.decode()
    assert 'hx-trigger="load"' in page
    listed = as_("bob").get(large.url("large", "_diff/files/"), headers={"HX-Request": "true"}).content.decode()
    assert listed.count('data-counts="12 added, 0 removed"') == 620


def test_a_file_that_stays_closed_is_named_in_the_review_form_and_stored_with_the_review(world: World, as_: AS) -> None:
    branch_with(world.work, "lock", {"a.txt": "1\n", "package-lock.json": "".join(f"line {n}\n" for n in range(2000))})
    pushed(world.repository, world.work)
    made = changes.create_change(
        world.people.alice, repository=world.repository, title="Lock", source_branch="lock", target_branch="main"
    )
    settle()
    made.refresh_from_db()
    assert made.revision is not None
    form = as_("bob").get(f"/changes/{made.number}/diff/").content.decode().split('class="df"')[0]
    assert "package-lock.json" in form
    assert "2,000 changed lines" in form
    displayed = displayed_by(made, made.revision.number, view="unified", report="")
    assert displayed is not None
    assert [(row.state, row.reason) for row in displayed.files.values()] == [
        ("open", ""),
        ("closed", "Large: 2,000 changed lines"),
    ]


def test_a_second_look_asks_git_for_nothing(world: World, as_: AS, monkeypatch: pytest.MonkeyPatch) -> None:
    as_("bob").get(world.url("open", "diff/"))
    change = world.change("open")
    sides = sides_of(change, "", "")
    assert sides is not None

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Git was asked again")

    monkeypatch.setattr(diff_pages.trees, "diff_trees", refuse)
    monkeypatch.setattr(diff_pages.trees, "patch", refuse)
    found = diff_pages.listing(sides)
    assert diff_pages.first_sections(sides, found, diff_pages.options_of(sides, "unified"))
