"""Who sees which page, and that nothing foreign runs on any of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.web.conftest import World

PLAIN = (
    "/queue/",
    "/changes/",
    "/changes/?q=state:open",
    "/changes/new/",
    "/_nav/queue-count/",
    "/help/shortcuts/",
    "/help/ui/",
)
READ = (
    "", "_header/", "_verdict/", "_reviewers/", "_threads/", "approvals/", "history/", "deployments/",
    "diff/", "diff/?view=split", "diff.patch", "_diff/files/", "_diff/shells/",
)  # fmt: skip
SIGNED_IN = ("alice", "bob", "kim", "carol", "dave", "erin", "mallory")
MEMBERS = SIGNED_IN[:-1]
# Forms: who may open them on a change in review that alice asked for.
FORMS: dict[str, set[str]] = {
    "edit/": {"alice", "bob", "carol"},
    "attach/": {"alice", "bob", "carol"},
    "retarget/": {"alice", "bob", "carol"},
    "withdraw/": {"alice", "carol", "erin"},
    "close/": {"carol", "erin"},
    "assignments/": {"alice", "bob", "carol"},
}


class Reader(HTMLParser):
    """What a browser would run, or refuse to run under our content security policy."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in {"style", "iframe", "object", "img"} or (tag == "script" and not names.get("src")):
            self.found.append(tag)
        for name, value in attrs:
            runs = name in {"href", "src", "action", "formaction"} and (value or "").strip().lower().startswith(
                "javascript:"
            )
            if name == "style" or name.startswith("on") or runs:
                self.found.append(f"{tag} {name}={value}")


def assert_harmless(text: str, where: str) -> None:
    reader = Reader()
    reader.feed(text)
    assert not reader.found, f"{where}: {reader.found}"
    assert "\u202e" not in text, where


def test_every_page_of_a_change_is_there_for_members_and_missing_for_others(
    world: World, as_: Callable[[str], Client]
) -> None:
    for name in SIGNED_IN:
        client = as_(name)
        for tail in READ:
            answer = client.get(world.url("open", tail))
            expected = 200 if name in MEMBERS else 404
            assert answer.status_code == expected, f"{name} {tail}: {answer.status_code}"
        for url in PLAIN:
            assert client.get(url).status_code == 200 or name in {"dave", "mallory"}, f"{name} {url}"


def test_forms_open_for_who_may_use_them_and_say_why_to_others(world: World, as_: Callable[[str], Client]) -> None:
    for name in SIGNED_IN:
        client = as_(name)
        for tail, allowed in FORMS.items():
            status = client.get(world.url("open", tail)).status_code
            expected = 404 if name == "mallory" else 200 if name in allowed else 403
            assert status == expected, f"{name} {tail}: {status}"


def test_an_outsider_learns_nothing_from_a_number(world: World, as_: Callable[[str], Client]) -> None:
    real, invented = as_("mallory").get(world.url("open")), as_("mallory").get("/changes/99999/")
    assert real.status_code == invented.status_code == 404
    assert b"Raise the third key" not in real.content


def test_who_is_not_signed_in_comes_back_after_signing_in(world: World) -> None:
    answer = Client().get(world.url("open", "diff/") + "?view=split")
    assert answer.status_code == 302
    assert answer.url == f"/accounts/login/?next=/changes/{world.numbers['open']}/diff/%3Fview%3Dsplit"
    fragment = Client().get(world.url("open", "_header/"), headers={"HX-Request": "true"})
    assert fragment.status_code == 204
    assert fragment["HX-Redirect"].startswith("/accounts/login/")


@pytest.mark.parametrize("change", ["hostile", "conflict", "draft", "backlog", "open"])
def test_nothing_that_people_wrote_runs_or_turns_a_line_around(
    change: str, world: World, as_: Callable[[str], Client]
) -> None:
    bob = as_("bob")
    bob.post(
        world.url(change, "threads/"),
        {"body": "<script>alert(2)</script> [x](javascript:alert(3)) \u202e <b onclick='x'>"},
    )
    for tail in ("", "_threads/", "approvals/", "history/", "deployments/", "diff/", "diff/?view=split", "_header/"):
        assert_harmless(bob.get(world.url(change, tail)).content.decode(), tail)
    for url in ("/queue/", "/changes/"):
        assert_harmless(bob.get(url).content.decode(), url)


def test_a_fragment_is_the_partial_for_htmx_and_a_whole_page_for_history(
    world: World, as_: Callable[[str], Client]
) -> None:
    bob, url = as_("bob"), world.url("open", "_verdict/")
    part = bob.get(url, headers={"HX-Request": "true"})
    assert part.content.lstrip().startswith(f'<div id="change-{world.numbers["open"]}-verdict"'.encode())
    assert part["Cache-Control"] == "no-store"
    assert "HX-Request" in part["Vary"]
    for headers in ({}, {"HX-Request": "true", "HX-History-Restore-Request": "true"}):
        assert b"<!DOCTYPE html>" in bob.get(url, headers=headers).content


def test_reading_writes_nothing(world: World, as_: Callable[[str], Client]) -> None:
    from apps.audit.models import AuditEntry

    before = AuditEntry.objects.count()
    for tail in (*READ, "edit/", "withdraw/"):
        as_("alice").get(world.url("open", tail))
    assert AuditEntry.objects.count() == before


def test_actions_are_post_only(world: World, as_: Callable[[str], Client]) -> None:
    for tail in ("ready/", "draft/", "reopen/", "merge/", "threads/", "assignments/end/"):
        assert as_("alice").get(world.url("open", tail)).status_code == 405, tail


def test_a_search_that_is_not_understood_names_the_word(world: World, as_: Callable[[str], Client]) -> None:
    answer = as_("bob").get("/changes/?q=sate:open")
    assert answer.status_code == 422
    assert "state:" in answer.content.decode()


def test_the_list_narrows_and_every_filter_can_be_taken_away(world: World, as_: Callable[[str], Client]) -> None:
    text = as_("bob").get("/changes/?q=third&state=open").content.decode()
    assert "Raise the third key" in text
    assert "Something for later" not in text
    assert 'href="/changes/?state=open"' in text
    assert 'href="/changes/?q=third"' in text


def test_the_list_goes_on_by_key(world: World, as_: Callable[[str], Client]) -> None:
    from apps.changes import services

    for number in range(26):
        services.create_change(world.people.kim, repository=world.repository, title=f"Wish {number}")
    first = as_("bob").get("/changes/").content.decode()
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None
    second = as_("bob").get(link[1].replace("&amp;", "&")).content.decode()
    assert "Raise the third key" in second
    assert "Raise the third key" not in first


def test_the_queue_says_whose_turn_it_is_and_why(world: World, as_: Callable[[str], Client]) -> None:
    text = as_("bob").get("/queue/").content.decode()
    assert "Needs my attention" in text
    assert re.search(r"<b>Your turn</b> since <time[^>]*>[^<]+</time>: \S", text)
    assert "Nothing needs you" in as_("mallory").get("/queue/").content.decode()
