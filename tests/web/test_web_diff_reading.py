"""Reading a whole difference: find in all files, closed parts by name and count, equal changes, all files at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.core.cache import cache
from django.test import Client

from apps.changes import services as changes
from apps.diffs import tiers
from apps.presentation import diff_find, diff_pages
from apps.reviews.models import Review
from tests.support.repositories import branch_with, pushed
from tests.support.streaming import body_of
from tests.web.conftest import World, settle

AS = Callable[[str], Client]
HTMX = {"HX-Request": "true"}


def change_of(world: World, name: str, files: dict[str, str]) -> str:
    """A change of alice that writes these files; the address of its difference."""
    branch_with(world.work, name, files, author="Alice <alice@example.org>")
    pushed(world.repository, world.work)
    made = changes.create_change(
        world.people.alice, repository=world.repository, title=name, source_branch=name, target_branch="main"
    )
    world.numbers[name] = made.number
    settle()
    return f"/changes/{made.number}/"


def links(html: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'data-hit href="([^"]+)"', html)]


# ------------------------------------------------------------------------------------------------------------- find
def test_find_is_a_page_of_links_that_open_a_file_at_its_line(world: World, as_: AS) -> None:
    url = change_of(
        world, "long", {"long.yaml": "".join(f"line{n}: {n}\n" for n in range(1400)), "other.yaml": "a: 1\n"}
    )
    bob = as_("bob")
    page = bob.get(f"{url}_diff/find/?q=LINE1234").content.decode()
    assert "<h1>Find in all files" in page
    [link] = links(page)
    assert "&line=R1235#f-" in link
    opened = bob.get(link).content.decode()
    assert f'id="{link.partition("#")[2]}"' in opened
    assert opened.count("<tr") <= 420, "the window with the line, not the whole file"
    assert bob.get(f"{url}_diff/find/?q=line1234&case=1").content.decode().count("data-hit") == 1
    assert "data-hit" not in bob.get(f"{url}_diff/find/?q=LINE1234&case=1").content.decode()


def test_find_sees_closed_files_and_names(world: World, as_: AS) -> None:
    lock = "".join(f"package{n}\n" for n in range(2000))
    url = change_of(world, "lock", {"package-lock.json": lock, "a.txt": "1\n"})
    bob = as_("bob")
    assert "show the difference" in bob.get(f"{url}diff/").content.decode().lower()
    assert "&line=R1778#" in links(bob.get(f"{url}_diff/find/?q=package1777").content.decode())[0]
    [name] = links(bob.get(f"{url}_diff/find/?q=lock.json").content.decode())
    assert "line=" not in name


def test_find_answers_scripts_with_the_list_alone_and_says_when_more_exist(world: World, as_: AS) -> None:
    url = change_of(world, "many", {"many.yaml": "".join(f"key: {n}\n" for n in range(900))})
    answer = as_("bob").get(f"{url}_diff/find/?q=key", headers=HTMX)
    text = answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert "<html" not in text
    assert text.count("data-hit") == 500
    assert "The first 500 places" in text
    assert "more exist" in text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "(a+)+$", "%00%zz", "\u202e"]
)
def test_hostile_text_is_shown_as_text(world: World, as_: AS, text: str) -> None:
    page = as_("bob").get(world.url("open", "_diff/find/"), {"q": text}).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page.split('id="find-results"')[1]


def test_a_text_that_cannot_be_kept_is_refused_and_an_empty_one_explains_itself(world: World, as_: AS) -> None:
    bob = as_("bob")
    assert bob.get(world.url("open", "_diff/find/") + "?q=a%00b").status_code == 422
    assert "Type what to look for" in bob.get(world.url("open", "_diff/find/")).content.decode()
    assert bob.get(world.url("open", "_diff/find/") + "?q=nowhere-at-all").content.decode().count("data-hit") == 0


def test_a_search_whose_time_is_up_says_so(world: World, as_: AS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_find, "SECONDS", -1.0)
    assert "The time was up" in as_("bob").get(world.url("open", "_diff/find/") + "?q=a").content.decode()


# ---------------------------------------------------------------------------------------------- what is not displayed
def test_acceptance_25_what_is_not_displayed_is_named_with_counts_on_the_page_in_the_form_and_in_the_review(
    world: World, as_: AS
) -> None:
    parts = {
        "package-lock.json": ("".join(f"line {n}\n" for n in range(2000)), "Large: 2,000 changed lines"),
        "go.sum": ("".join(f"mod {n}\n" for n in range(150)), "Lock file: 150 changed lines"),
        "vendor/lib.go": ("".join(f"code {n}\n" for n in range(120)), "Vendored: 120 changed lines"),
        "logo.png": ("\x89PNG\0\1\2", "Binary file"),
        "app.min.js": ("x" * 9000 + "\n", "1 long line is cut"),
    }
    url = change_of(world, "parts", {"shown.txt": "1\n", **{path: text for path, (text, _) in parts.items()}})
    bob = as_("bob")
    page = bob.get(f"{url}diff/").content.decode()
    form = page[page.index('id="review-form"') : page.index("</form>", page.index('id="review-form"'))]
    tree = page[page.index('id="diff-files"') : page.index("</nav>", page.index('id="diff-files"'))]
    assert "5 parts" in form
    assert "Not displayed: 5" in tree
    for path, (_, reason) in parts.items():
        for where in (form, tree):
            assert path in where
            assert reason in where
    assert "2,000 added, 0 removed" in form
    number, revision = world.numbers["parts"], world.change("parts").revision
    assert revision is not None
    fields = {"revision": revision.number, "verdict": "approve", "view": "unified"}
    assert bob.post(f"/changes/{number}/reviews/", fields).status_code == 303
    shown = Review.objects.get(change__number=number).shown
    stored = {row["path"]: row["reason"] for name in ("not_displayed", "notes") for row in shown[name]}
    assert set(stored) == set(parts)
    assert [stored[path] for path in ("package-lock.json", "go.sum", "vendor/lib.go")] == [
        "Large: 2,000 changed lines", "Lock file: 150 changed lines", "Vendored: 120 changed lines",
    ]  # fmt: skip
    assert stored["logo.png"].startswith("Binary file")
    assert stored["app.min.js"] == "1 long line cut"
    approvals = unescape(bob.get(f"{url}approvals/").content.decode())
    assert "not displayed: 4, in part: 0" in approvals
    assert "<code>go.sum</code> Lock file: 150 changed lines" in approvals


@pytest.fixture
def uncounted(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A change that is sent before its lines are counted, with a file that stays closed."""
    monkeypatch.setattr(diff_pages, "WHOLE_FILES", 1)
    files = {f"app/f{n}.yaml": "a: 1\n" for n in range(12)}
    return change_of(world, "uncounted", {**files, "big.yaml": "".join(f"b: {n}\n" for n in range(1600))})


def test_before_lines_are_counted_the_form_says_so_and_fetches_what_is_not_displayed(uncounted: str, as_: AS) -> None:
    bob = as_("bob")
    form = bob.get(f"{uncounted}diff/").content.decode().split('class="diff-tools"')[0]
    assert "What is not displayed by itself is being counted" in form
    region = re.search(r'id="not-displayed" hx-get="([^"]+)"', form)
    assert region is not None
    text = bob.get(unescape(region[1]), headers=HTMX).content.decode()
    assert "big.yaml" in text
    assert "Large: 1,600 changed lines" in text


def test_a_file_that_turns_out_to_be_large_stays_closed_unless_asked_for(uncounted: str, as_: AS) -> None:
    bob = as_("bob")
    found = bob.get(f"{uncounted}diff/").content.decode()
    section = re.search(r'data-file="([0-9a-f]+)"[^>]*><header class="fh"><h3[^>]*>big.yaml', found)
    assert section is not None
    rows = f"{uncounted}_diff/file/{section[1]}/?from=base&to=r1"
    by_itself = bob.get(f"{rows}&auto=1").content.decode()
    assert "<tr" not in by_itself
    assert "Large: 1,600 changed lines" in by_itself
    assert bob.get(rows).content.decode().count('<tr class="a"') == 399


# ------------------------------------------------------------------------------------------------- tiers, all, classes
def test_in_the_third_tier_every_file_has_its_own_rows_under_its_folder(
    world: World, as_: AS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "MEDIUM_FILES", 3)
    # Git lists a/b/x between a/a and a/z; under folders a/a and a/z stand together.
    paths = ["a/a.yaml", "a/b/x.yaml", "a/z.yaml", "a/b/y.yaml", "top.yaml"]
    url = change_of(world, "folders", {path: f"own: {path}\n" for path in paths})
    text = as_("bob").get(f"{url}diff/").content.decode()
    rows = text[text.index('id="diff"') :]
    assert re.findall(r'<h2 class="dg">([^<]+) <span>([^<]+)', rows) == [
        ("a/", "2 files"), ("a/b/", "2 files"), ("Top folder", "1 file"),
    ]  # fmt: skip
    sections = rows.split('<section class="df"')[1:]
    assert len(sections) == 5
    for section in sections:
        path = re.findall(r"<h3[^>]*>([^<]+)</h3>", section)[0]
        assert re.sub("<[^>]*>", "", section).count(f"own: {path}") == 1


def test_all_files_come_as_one_stream_and_closed_ones_stay_closed(world: World, as_: AS) -> None:
    lock = "".join(f"line {n}\n" for n in range(2000))
    files = {f"app/f{n:02}.yaml": "".join(f"k{row}: {n}\n" for row in range(60)) for n in range(30)}
    url = change_of(world, "all", {**files, "package-lock.json": lock})
    bob = as_("bob")
    part = body_of(bob.get(f"{url}_diff/all/", headers=HTMX)).decode()
    assert part.startswith("<section")
    assert part.count("</section>") == 31
    assert part.count('<tr class="a"') == 1800
    assert "Large: 2,000 changed lines" in part
    without_scripts = bob.get(f"{url}_diff/all/")
    assert (without_scripts.status_code, without_scripts["Location"].split("?")[0]) == (302, f"{url}diff/whole/")


def test_more_than_a_browser_can_bear_is_refused_with_the_patch_as_the_way_out(
    world: World, as_: AS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "MEDIUM_FILES", 1)
    answer = as_("bob").get(world.url("open", "_diff/all/"), headers=HTMX)
    assert answer.status_code == 422
    assert "diff.patch" in answer.content.decode()
    assert "data-load-all" not in as_("bob").get(world.url("open", "diff/")).content.decode()


def test_the_same_change_in_many_files_is_said_above_them_outliers_first(world: World, as_: AS) -> None:
    files = {f"clusters/eu{n}/app.yaml": f"name: eu{n}\nreplicas: 2\n" for n in range(9)}
    url = change_of(world, "same", {**files, "clusters/eu4/app.yaml": "name: eu4\nreplicas: 3\n"})
    bob = as_("bob")
    page = bob.get(f"{url}diff/").content.decode()
    note = page[page.index('id="diff-classes"') : page.index("</section>", page.index('id="diff-classes"'))]
    assert "The same change in 8 of 9 files" in note
    assert "1 outlier" in note
    assert 0 < note.index("clusters/eu4/app.yaml") < note.index("clusters/eu0/app.yaml")
    assert page.count('<section class="df"') == 9, "nothing is hidden"
    assert "8 of 9 files" in bob.get(f"{url}_diff/classes/").content.decode()


def test_classes_of_a_change_that_is_not_counted_yet_are_asked_for_later(uncounted: str, as_: AS) -> None:
    page = as_("bob").get(f"{uncounted}diff/").content.decode()
    assert re.search(r'id="diff-classes"[^>]* hx-get="[^"]+/_diff/classes/', page)
    assert (
        "The same change in 12 of 13 files"
        in as_("bob").get(f"{uncounted}_diff/classes/", headers=HTMX).content.decode()
    )


# ------------------------------------------------------------------------------------------------- the list, the look
def test_the_list_is_a_tree_with_owners_whose_lonely_folders_are_joined(world: World, as_: AS) -> None:
    files = {"a/b/c/one.yaml": "1\n", "a/b/c/two.yaml": "1\n", "a/b/d/<i>.yaml": "1\n", "z.yaml": "1\n"}
    page = as_("bob").get(change_of(world, "tree", files) + "diff/").content.decode()
    tree = page[page.index('<ul class="tree">') : page.index("</nav>", page.index('<ul class="tree">'))]
    assert re.findall(r"<summary><bdi>([^<]+)</bdi> <span class=\"tn\">(\d+)", tree) == [
        ("a/b", "3"),
        ("c", "2"),
        ("d", "1"),
    ]
    assert "&lt;i&gt;.yaml" in tree
    assert "<i>" not in tree
    assert tree.count('data-owner="bob"') == 4


def test_the_layout_is_remembered_and_an_address_says_otherwise(world: World, as_: AS) -> None:
    bob = as_("bob")
    url = world.url("open", "diff/")
    assert 'class="dt sp"' not in bob.get(url).content.decode()
    kept = bob.post("/preferences/", {"layout": "split", "wrap": "off", "tabs": "8", "next": url})
    assert (kept.status_code, kept["Location"]) == (303, url)
    page = bob.get(url).content.decode()
    assert 'class="dt sp"' in page
    assert 'data-wrap="off" data-tabs="8"' in page.split("<head>")[0], "the first byte carries it, so nothing flashes"
    assert 'class="dt sp"' not in bob.get(f"{url}?view=unified").content.decode()


def test_a_mark_that_is_no_file_or_line_is_refused_or_ignored(world: World, as_: AS) -> None:
    bob = as_("bob")
    assert bob.get(world.url("open", "diff/") + "?file=ffffffff").status_code == 404
    found = re.search(r'data-file="([0-9a-f]+)"', bob.get(world.url("open", "diff/")).content.decode())
    assert found is not None
    for line in ("R99999", "X1", "R0", "L-1"):
        assert bob.get(world.url("open", "diff/") + f"?file={found[1]}&line={line}").status_code == 200
    cache.clear()
