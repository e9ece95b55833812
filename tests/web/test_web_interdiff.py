"""Between two revisions: only what the author changed, upstream's edits counted and showable, nothing hidden silently."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.reviews.services import submit_review
from tests.support.git import GitRepo
from tests.support.repositories import pushed
from tests.web.conftest import FILES, World, settle

AS = Callable[[str], Client]
POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    targets:
      web: {kind: manifests, path: base}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


def page(client: Client, world: World, query: str) -> str:
    return client.get(world.url("open", f"diff/?{query}")).content.decode()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def reviewed(world: World, name: str = "bob") -> None:
    change = world.change("open")
    assert change.revision is not None
    submit_review(
        getattr(world.people, name), change=change, revision=change.revision.number, verdict="comment", body="I looked."
    )


def upstream(world: World, files: dict[str, str]) -> None:
    """The target branch moves on."""
    world.work.run("checkout", "-q", "main")
    world.work.commit("upstream", files=files)
    pushed(world.repository, world.work, "main")
    settle()


def rebased(world: World, more: dict[str, str] | None = None) -> None:
    """The author rebases onto the target branch, perhaps with more edits, and pushes by force."""
    work: GitRepo = world.work
    work.run("checkout", "-q", "more")
    work.run("rebase", "-q", "main", env={f"GIT_COMMITTER_{one}": "x" for one in ("NAME", "EMAIL")})
    if more:
        work.commit("more", files=more)
    pushed(world.repository, work, "more", force=True)
    settle()


def moved_values() -> str:
    return FILES["app/values.yaml"].replace("key30: 30", "key30: upstream")


@pytest.fixture
def moved(world: World) -> World:
    """bob reviewed r1; upstream edits the same file elsewhere and another one; the author rebases and adds a file."""
    reviewed(world)
    upstream(world, {"app/values.yaml": moved_values(), "base/web.yaml": "kind: Service\n"})
    rebased(world, {"app/third.yaml": "c: 3\n"})
    return world


def last(world: World) -> str:
    revision = world.change("open").revision
    assert revision is not None
    return revision.label


def test_acceptance_24_the_comparison_with_my_last_review_hides_counts_and_shows_upstream_only_edits(
    moved: World, as_: AS
) -> None:
    bob = as_("bob")
    html = page(bob, moved, "from=mine")
    text = words(html)
    assert "1 file changed since your review of r1; 2 upstream-only edits hidden" in text
    assert html.count('<section class="df"') == 1
    assert "app/third.yaml" in text
    assert "key30" not in text.split("app/third.yaml")[-1]
    shown = words(page(bob, moved, f"from=r1&to={last(moved)}&upstream=1"))
    assert "2 upstream-only edits in 2 files, not the author's" in shown
    assert "key30: upstream" in shown
    assert "base/web.yaml" in shown
    assert "app/third.yaml" not in shown
    assert "Start a thread" not in shown


def test_the_page_says_when_nothing_but_upstream_changed(world: World, as_: AS) -> None:
    reviewed(world)
    upstream(world, {"app/values.yaml": moved_values()})
    rebased(world)
    text = words(page(as_("bob"), world, "from=mine"))
    assert "The change is the same as in r1; 1 upstream-only edit hidden" in text
    assert "The author changed nothing" in text


def test_acceptance_24_equal_source_with_changed_inputs_is_announced_before_the_numbers(world: World, as_: AS) -> None:
    upstream(world, {".gitops/portal.yaml": POLICY})
    reviewed(world)
    before = last(world)
    upstream(world, {"base/web.yaml": "kind: Service\n"})
    text = words(page(as_("bob"), world, "from=mine"))
    announced = "The source of the change is equal; inputs of staging/web changed upstream"
    assert announced in text
    assert text.index(announced) < text.index(f"The change is the same as in {before}")
    banner = words(as_("bob").get(world.url("open", "_since/")).content.decode())
    assert banner.index("Inputs of staging/web changed upstream") < banner.index("is new since your review")


def test_inputs_that_nobody_touched_are_not_announced(world: World, as_: AS) -> None:
    upstream(world, {".gitops/portal.yaml": POLICY})
    reviewed(world)
    upstream(world, {"elsewhere.txt": "1\n"})
    text = words(page(as_("bob"), world, "from=mine"))
    assert "The change is the same as in" in text
    assert "staging/web" not in text


def test_an_edit_of_the_same_lines_is_shown_with_upstreams_and_said(world: World, as_: AS) -> None:
    values = FILES["app/values.yaml"]
    upstream(world, {"app/values.yaml": values.replace("key3: 3", "key3: theirs")})
    world.work.run("checkout", "-q", "-B", "more", "main")
    world.work.commit(
        "anew", files={"app/values.yaml": values.replace("key3: 3", "key3: both"), "app/new.yaml": "a: 1\n"}
    )
    pushed(world.repository, world.work, "more", force=True)
    settle()
    html = page(as_("bob"), world, f"from=r1&to={last(world)}")
    assert "1 file could not be separated from upstream edits and is shown with both: app/values.yaml" in words(html)
    assert "key3: both" in words(html)
    assert "&lt;&lt;&lt;&lt;" not in html


def test_a_revision_in_conflict_is_compared_by_what_its_author_wrote_and_said(world: World, as_: AS) -> None:
    values = FILES["app/values.yaml"]
    upstream(world, {"app/values.yaml": values.replace("key3: 3", "key3: theirs")})
    conflicting = world.change("open").revision
    assert conflicting is not None
    assert conflicting.conflicts
    html = page(as_("bob"), world, f"from=r1&to={conflicting.label}")
    assert f"{conflicting.label} conflicts with main, so what its author wrote" in words(html)
    assert "The change is the same as in r1" in words(html)


def test_a_comparison_goes_in_any_order_and_over_any_two_revisions(moved: World, as_: AS) -> None:
    bob = as_("bob")
    back = words(page(bob, moved, f"from={last(moved)}&to=r1"))
    assert "app/third.yaml" in back
    assert "key30" not in back
    assert bob.get(moved.url("open", "diff/?from=r77")).status_code == 404
    assert as_("mallory").get(moved.url("open", "diff/?from=mine")).status_code == 404


def test_who_has_not_reviewed_sees_the_whole_change_and_is_told(moved: World, as_: AS) -> None:
    text = words(page(as_("dave"), moved, "from=mine"))
    assert "You have not reviewed this change yet, so this is the whole of it." in text
    assert "My last review" not in text


def test_the_selects_offer_base_my_last_review_and_every_revision_newest_first(moved: World, as_: AS) -> None:
    html = page(as_("bob"), moved, "")
    since = re.findall(r'<option value="(\w+)"', html.split('name="from"')[1].split("</select>")[0])
    assert since[:2] == ["base", "mine"]
    assert since[2:] == [f"r{number}" for number in range(int(last(moved)[1:]) - 1, 0, -1)]


def test_the_banner_on_the_overview_and_the_difference_counts_after_the_page_is_there(moved: World, as_: AS) -> None:
    bob = as_("bob")
    for tail in ("", "diff/"):
        html = bob.get(moved.url("open", tail)).content.decode()
        assert f"{last(moved)} is new since your review of r1" in words(html)
        assert 'diff/?from=mine" data-key="since-review"' in html
        assert f'hx-get="{moved.url("open", "_since/")}"' in html
    banner = bob.get(moved.url("open", "_since/"), headers={"HX-Request": "true"}).content.decode()
    assert (
        f"{last(moved)} is new since your review of r1: 1 file changed since your review of r1; 2 upstream-only"
        in words(banner)
    )
    assert "hx-get" not in banner
    assert "is new since your review" not in words(as_("dave").get(moved.url("open")).content.decode())


def test_a_review_of_the_present_revision_ends_the_banner(moved: World, as_: AS) -> None:
    reviewed(moved)
    bob = as_("bob")
    assert "is new since your review" not in words(bob.get(moved.url("open")).content.decode())
    assert "Nothing is new since your last review" in words(bob.get(moved.url("open", "_since/")).content.decode())


def test_a_comparison_asks_git_once(moved: World, as_: AS, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = as_("bob")
    first = page(bob, moved, "from=mine")
    monkeypatch.setattr("apps.reviews.interdiff.reapply", lambda *a, **k: pytest.fail("re-applied again"))
    monkeypatch.setattr("apps.reviews.interdiff.count_edits", lambda *a, **k: pytest.fail("counted again"))
    assert words(page(bob, moved, "from=mine")).split("From")[-1] == words(first).split("From")[-1]


def test_the_api_tells_the_same(moved: World, as_: AS) -> None:
    address = f"/api/v1/changes/{moved.numbers['open']}/diff/"
    bob = as_("bob")
    found = bob.get(address, {"from": "mine"}).json()
    assert [row["path"] for row in found["files"]] == ["app/third.yaml"]
    assert found["from"] == "r1"
    assert (found["comparison"]["upstream_edits"], found["comparison"]["upstream_files"]) == (2, 2)
    assert found["comparison"]["equal"] is False
    other = bob.get(address, {"from": "r1", "to": last(moved), "upstream": "1"}).json()
    assert [row["path"] for row in other["files"]] == ["app/values.yaml", "base/web.yaml"]
    assert other["comparison"]["shown"] == "upstream"
    assert bob.get(address).json()["comparison"] is None
