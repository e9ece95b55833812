"""Files of a difference by id: comments and links reach what a page cannot write, and what was moved."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from django.test import Client

from apps.changes.services import create_change
from apps.diffs.files import FileChange
from apps.reviews.content import files_of
from apps.reviews.models import DraftComment, Thread
from tests.support.repositories import pushed
from tests.web.conftest import World, settle
from tests.web.test_web_diff_reading import change_of

AS = Callable[[str], Client]
HOSTILE = "app/p\u0430y\u202e.yaml"  # a Cyrillic letter, and an override of the direction


def file_of(world: World, name: str) -> FileChange:
    change = world.change(name)
    assert change.revision is not None
    return files_of(change, change.revision)[0]


@pytest.fixture
def hostile(world: World) -> FileChange:
    change_of(world, "odd", {HOSTILE: "a: 1\nb: 2\n"})
    return file_of(world, "odd")


def without(world: World, name: str, path: str, files: dict[str, str]) -> str:
    """A change that takes one file away and writes others; its address."""
    work = world.work
    work.run("checkout", "-q", "--no-track", "-b", name, "main")
    work.run("rm", "-q", path)
    work.commit(name, files=files, author="Alice <alice@example.org>")
    pushed(world.repository, work)
    made = create_change(world.people.alice, repository=world.repository, title=name, source_branch=name)
    world.numbers[name] = made.number
    settle()
    return f"/changes/{made.number}/"


def said(file: FileChange, **more: str) -> dict[str, str]:
    place = {"file": file.id, "path": "what [U+202E] the page shows", "start_line": "2", "line": "2", "side": "new"}
    return {"body": "Why?", "revision": "1", **place, **more}


def test_a_comment_names_a_file_by_id_whatever_its_path_looks_like(world: World, as_: AS, hostile: FileChange) -> None:
    bob = as_("bob")
    assert bob.post(world.url("odd", "threads/"), said(hostile)).status_code == 303
    thread = Thread.objects.get()
    assert (thread.path, thread.line, thread.snippet) == (HOSTILE, 2, "b: 2")
    page = bob.get(world.url("odd", "diff/")).content.decode()
    assert f'data-file="{hostile.id}" data-row="R2"' in page
    assert "\u202e" not in page


def test_a_draft_for_such_a_file_comes_back_under_its_line(world: World, as_: AS, hostile: FileChange) -> None:
    bob = as_("bob")
    assert bob.post(world.url("odd", "drafts/"), said(hostile)).status_code == 303
    assert DraftComment.objects.get().path == HOSTILE
    page = bob.get(world.url("odd", "diff/")).content.decode()
    draft = page[page.index("thread--draft") :][:400]
    assert f'data-file="{hostile.id}" data-row="R2"' in draft


def test_a_removed_line_of_a_renamed_file_is_commented_on_under_its_old_name(world: World, as_: AS) -> None:
    lines = "".join(f"key{n}: {n}\n" for n in range(20))
    world.work.run("checkout", "-q", "main")
    world.work.commit("base", files={"old.yaml": lines})
    pushed(world.repository, world.work, "main")
    url = without(world, "moved", "old.yaml", {"new.yaml": lines.replace("key7: 7\n", "")})
    moved = file_of(world, "moved")
    assert moved.is_moved
    assert as_("bob").post(f"{url}threads/", said(moved, side="old", start_line="8", line="8")).status_code == 303
    assert (Thread.objects.get().path, Thread.objects.get().snippet) == ("old.yaml", "key7: 7")


def test_an_id_that_the_revision_does_not_have_is_refused_and_a_typed_path_works(
    world: World, as_: AS, hostile: FileChange
) -> None:
    bob = as_("bob")
    other = world.url("open", "threads/")
    assert bob.post(other, said(hostile)).status_code == 422, "a file of another change"
    assert bob.post(other, said(hostile, revision="99")).status_code == 422
    assert not Thread.objects.exists()
    assert bob.post(other, {"body": "Hm", "path": "app/new.yaml", "line": "1", "start_line": "1"}).status_code == 303
    assert Thread.objects.get().path == "app/new.yaml"


@pytest.mark.parametrize("page", ["history", "blame"])
def test_history_and_blame_of_a_file_are_found_by_id(world: World, as_: AS, hostile: FileChange, page: str) -> None:
    bob = as_("bob")
    alone = bob.get(world.url("odd", f"diff/?file={hostile.id}")).content.decode()
    link = world.url("odd", f"diff/{hostile.id}/{page}/")
    assert f'href="{link}?from=base&amp;to=r1"' in alone, "without scripts on the page of the file"
    answer = bob.get(link)
    assert answer.status_code == 302
    assert HOSTILE.encode() in unquote_to_bytes(answer["Location"])
    found = bob.get(answer["Location"])
    assert found.status_code == 200
    assert "b: 2" in found.content.decode() or page == "history"
    assert bob.get(world.url("open", f"diff/{hostile.id}/{page}/")).status_code == 404


def test_a_deleted_file_leads_to_where_it_still_was(world: World, as_: AS) -> None:
    url = without(world, "gone", "app/values.yaml", {})
    bob = as_("bob")
    answer = bob.get(f"{url}diff/{file_of(world, 'gone').id}/blame/")
    assert "key3" in bob.get(answer["Location"]).content.decode()
