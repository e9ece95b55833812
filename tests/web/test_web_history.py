"""History and blame: what Git says, escaped, a page at a time, for those who may see the repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.test import Client

from apps.presentation import blame_pages
from tests.support.repositories import pushed
from tests.web.conftest import World

AS = Callable[[str], Client]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def get(client: Client, address: str) -> str:
    answer = client.get(address.replace("&amp;", "&"))
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode())


@pytest.fixture
def long(world: World) -> World:
    """Main with 120 more commits, each of one line in ``log.txt``."""
    world.work.run("checkout", "-q", "main")
    head = world.work.rev_parse("HEAD")
    stream = []
    for number in range(120):
        text = "".join(f"row {n}\n" for n in range(number + 1))
        start = f"from {head}\n" if number == 0 else ""
        subject = f"step {number}"
        stream.append(
            f"commit refs/heads/main\ncommitter Alice <alice@example.org> {1_767_300_000 + number * 60} +0000\n"
            f"data {len(subject)}\n{subject}\n{start}M 100644 inline log.txt\ndata {len(text)}\n{text}\n"
        )
    world.work.run_bytes("fast-import", "--quiet", "--force", stdin="".join(stream).encode())
    world.work.run("reset", "-q", "--hard", "main")
    pushed(world.repository, world.work, "main")
    return world


def subjects(html: str) -> list[str]:
    return re.findall(r'<span class="commit-subject"><bdi>([^<]*)</bdi>', html)


def test_the_history_is_that_of_git_fifty_commits_a_page_and_no_push_moves_it(long: World, as_: AS) -> None:
    bob = as_("bob")
    expected = long.work.run("log", "--format=%s", "main").split("\n")
    html, seen = get(bob, "/repositories/infra/history/"), []
    seen += subjects(html)
    assert len(seen) == 50
    long.work.commit("later", files={"x": "1\n"})
    pushed(long.repository, long.work, "main")
    while found := re.search(r'rel="next" href="([^"]+)"', html):
        html = get(bob, found[1])
        seen += subjects(html)
    assert seen == expected
    assert re.search(r'rel="prev" href="([^"]+)"', html)


def test_the_history_of_a_path_links_changes_that_were_merged_and_claims_of_trailers(world: World, as_: AS) -> None:
    number = world.numbers["open"]
    world.work.run("checkout", "-q", "main")
    world.work.commit(f"Edit\n\nChange-Request: CHG-{number}\n", files={"app/values.yaml": "a: 1\n"})
    world.work.commit("Other\n\nChange-Request: CHG-99999\n", files={"app/values.yaml": "a: 2\n"})
    pushed(world.repository, world.work, "main")
    html = get(as_("bob"), "/repositories/infra/history/?path=app/values.yaml")
    assert subjects(html)[:2] == ["Other", "Edit"]
    assert f'<a href="/changes/{number}/">CHG-{number}</a>' in html
    assert "/changes/99999/" not in html
    assert "main moves" not in html


def test_merges_are_marked_and_a_renamed_file_leads_to_its_earlier_name(world: World, as_: AS) -> None:
    world.work.run("checkout", "-q", "main")
    world.work.rename("app/values.yaml", "app/renamed.yaml")
    world.work.commit("move")
    world.work.merge("origin/later")
    pushed(world.repository, world.work, "main")
    bob = as_("bob")
    assert '<span class="st st--neu">merge</span>' in get(bob, "/repositories/infra/history/")
    html = get(bob, "/repositories/infra/history/?path=app/renamed.yaml")
    earlier = re.search(r'called <a href="([^"]+)">', html)
    assert earlier
    assert "app/values.yaml" in words(html)
    assert len(subjects(get(bob, earlier[1]))) == 1


def test_hostile_subjects_authors_and_paths_are_only_text(world: World, as_: AS) -> None:
    path = "<b>\u202ex</b> \"'&.txt"
    world.work.run("checkout", "-q", "main")
    world.work.commit("<img src=x> \u202eevil", files={path: "<script>1</script>\u200b\n"}, author="\u202eEve <e&v@e>")
    pushed(world.repository, world.work, "main")
    bob = as_("bob")
    for page in ("history", "blame", "_blame"):
        html = get(bob, f"/repositories/infra/{page}/?{urlencode({'path': path})}")
        assert "<script>1" not in html
        assert "<img src=x" not in html
        assert "\u202e" not in html
    assert "[U+200B]" in get(bob, f"/repositories/infra/_blame/?{urlencode({'path': path})}")


def test_a_path_that_is_no_utf8_keeps_its_bytes(world: World, as_: AS) -> None:
    world.work.run("checkout", "-q", "main")
    world.work.commit("odd", files={b"caf\xe9.txt": "1\n"})  # type: ignore[dict-item]
    pushed(world.repository, world.work, "main")
    assert subjects(get(as_("bob"), "/repositories/infra/history/?path=caf%E9.txt")) == ["odd"]
    assert "Alice" in get(as_("bob"), "/repositories/infra/_blame/?path=caf%E9.txt")


def test_blame_names_who_changed_each_line_and_the_rest_arrives_by_itself(
    long: World, as_: AS, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = as_("bob")
    monkeypatch.setattr(blame_pages, "PATIENCE", -1.0)
    first = get(bob, "/repositories/infra/blame/?path=log.txt")
    assert first.count("<tr id=") == 120
    assert "Git still looks for" in first
    rest = re.search(r'hx-get="([^"]+)" hx-trigger="load"', first)
    assert rest
    whole = get(bob, rest[1])
    assert "Git still looks for" not in whole
    assert whole.count('class="bl" rowspan="1"') == 120
    fragment = bob.get(rest[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith('<div class="blame" id="blame">')
    again = get(bob, "/repositories/infra/blame/?path=log.txt")
    assert "Git still looks for" not in again


def test_a_huge_file_is_blamed_window_by_window(world: World, as_: AS) -> None:
    world.work.run("checkout", "-q", "main")
    lines = [f"line {n}\n" for n in range(1, 1001)]
    world.work.commit("huge", files={"huge.txt": "".join(lines) + "x" * 5_000})
    pushed(world.repository, world.work, "main")
    bob = as_("bob")
    html = get(bob, "/repositories/infra/_blame/?path=huge.txt")
    assert html.count("<tr id=") == 400
    assert "Lines 1 to 400 of 1001" in words(html)
    following = re.search(r'rel="next" href="([^"]+)"', html)
    assert following
    html = get(bob, following[1])
    assert '<tr id="L401">' in html
    html = get(bob, "/repositories/infra/_blame/?path=huge.txt&start=99999")
    assert "3,000 more characters" in html


@pytest.mark.parametrize(
    ("path", "said"),
    [("app", "This is a folder"), ("no", "no such file"), ("", "Name a file"), ("bin", "A binary file of 3 bytes"),
     ("empty", "The file is empty"), ("link", "symbolic link")],
)  # fmt: skip
def test_what_has_no_lines_is_said(world: World, as_: AS, path: str, said: str) -> None:
    world.work.run("checkout", "-q", "main")
    world.work.symlink("link", "README.md")
    world.work.commit("odd files", files={"bin": b"a\0b", "empty": ""})
    pushed(world.repository, world.work, "main")
    assert said in words(get(as_("bob"), f"/repositories/infra/blame/?path={path}"))


@pytest.mark.parametrize("part", ["history", "blame", "_blame"])
def test_outsiders_find_nothing_and_bad_addresses_are_refused_clearly(world: World, as_: AS, part: str) -> None:
    address = f"/repositories/infra/{part}/?path=README.md"
    assert as_("mallory").get(address).status_code == 404
    bob = as_("bob")
    assert bob.get(f"{address}&ref=nothing").status_code == 404
    assert bob.get(f"{address}&ref={'0' * 40}").status_code == 404
    assert bob.get(f"{address}&ref=%ff").status_code == 404
    assert bob.get(f"/repositories/infra/{part}/?path=../../etc/passwd").status_code == 422
    assert bob.get(f"{address}&start=-1&at=zz").status_code == 200


def test_the_difference_leads_to_the_history_of_the_file_that_is_opened(world: World, as_: AS) -> None:
    bob = as_("bob")
    page = get(bob, world.url("open", "diff/"))
    file = re.findall(r'data-file="([0-9a-f]+)"', page)[-1]
    alone = get(bob, world.url("open", f"diff/?file={file}"))
    link = re.search(rf'href="(/changes/\d+/diff/{file}/history/[^"]*)">History', alone)
    assert link
    answer = bob.get(link[1].replace("&amp;", "&"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/repositories/infra/history/")
    assert subjects(get(bob, answer["Location"]))
