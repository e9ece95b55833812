"""Lists and their search: every filter, helpful refusals, constant cost."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.changes import queries
from apps.changes.models import ChangeRequest
from apps.changes.search import Query, parse
from apps.changes.services import create_change, edit_change, withdraw
from apps.core.errors import InvalidInput, NotAllowed, NotVisible
from tests.support.people import cast
from tests.support.repositories import branch_with, connected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Query()),
        ("state:draft", Query(states=frozenset({"draft"}))),
        ("state:in-review", Query(states=frozenset({"in_review"}))),
        ('STATE:"in review"', Query(states=frozenset({"in_review"}))),
        ("state:open", Query(states=frozenset({"requested", "draft", "in_review", "merging"}))),
        ("state:done state:withdrawn", Query(states=frozenset({"done", "withdrawn"}))),
        ("repo:infra owner:me author:@Bob", Query(
            repositories=frozenset({"infra"}), owners=frozenset({"me"}), authors=frozenset({"bob"}))),
        ("CHG-42 #7", Query(numbers=frozenset({42, 7}))),
        ('scale "the web"', Query(words=("scale", "the web"))),
        ('"', Query(words=('"',))),
        ("''", Query(words=("''",))),
    ],
)  # fmt: skip
def test_a_search_is_understood(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "token", "suggestion"),
    [
        ("stat:open", "stat:open", "state:"),
        ("color:red", "color:red", "state:"),
        ("state:opne", "state:opne", "state:open"),
        ("state:", "state:", ""),
    ],
)
def test_an_unknown_token_is_named_with_what_was_probably_meant(text, token, suggestion):
    with pytest.raises(InvalidInput) as refusal:
        parse(f"web {text}")
    assert refusal.value.code == "bad_query" and refusal.value.details["token"] == token
    assert not suggestion or suggestion in refusal.value.details["suggestions"]


def test_a_very_long_search_is_refused():
    with pytest.raises(InvalidInput):
        parse("x " * 300)


@pytest.fixture
def people(db):
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(
        tmp_path, people.carol, members={"alice": "author", "bob": "author", "kim": "viewer", "dave": "auditor"}
    )


def numbers(user, **options) -> list[int]:
    return [change.number for change in queries.list_changes(user, **options).items]


def test_lists_show_what_is_visible_newest_first_and_filtered(infra, people, tmp_path):
    repository, work = infra
    other, _ = connected(tmp_path, people.bob, name="other")
    branch_with(work, "scale-web", {"a": "1"})
    create_change(people.alice, repository=repository, title="Scale", source_branch="scale-web", draft=True)
    create_change(people.kim, repository=repository, title="Quota", description="for the web team")
    create_change(people.bob, repository=other, title="Elsewhere")
    withdraw(people.kim, change=queries.find(people.kim, 2))
    assert numbers(people.bob) == [3, 2, 1]
    assert numbers(people.alice) == [2, 1]
    assert numbers(people.mallory) == []
    assert numbers(people.alice, q="state:open") == [1]
    assert numbers(people.alice, state="withdrawn") == [2]
    assert numbers(people.alice, q="owner:me") == [1] and numbers(people.kim, q="author:me") == [2]
    assert numbers(people.alice, q="web") == [2, 1] and numbers(people.alice, q="web team") == [2]
    assert numbers(people.bob, q="repo:other") == numbers(people.bob, repository="other") == [3]
    assert numbers(people.bob, q="CHG-1") == [1]
    assert numbers(people.bob, q="' OR 1=1 --") == [] and numbers(people.bob, q="%") == []


def test_pages_follow_each_other_without_gap_or_repeat(infra, people):
    for number in range(7):
        create_change(people.kim, repository=infra[0], title=f"t{number}")
    seen, after = [], None
    while True:
        page = queries.list_changes(people.kim, after=after, limit=3)
        seen += [change.number for change in page.items]
        after = page.next_after
        if after is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("count", [2, 20])
def test_a_page_costs_the_same_number_of_queries_whatever_its_length(infra, people, count, django_assert_num_queries):
    for number in range(count):
        create_change(people.kim, repository=infra[0], title=f"t{number}")
    with django_assert_num_queries(1):
        page = queries.list_changes(people.kim)
        [(c.repository.name, c.requester.username, c.owner, c.revision) for c in page.items]


def test_title_and_description_are_edited_by_who_asked_or_writes(infra, people):
    repository, _ = infra
    change = create_change(people.kim, repository=repository, title="Quota")
    edit_change(people.kim, change=change, title="Quota up")
    edit_change(people.alice, change=change, description="Because.")
    assert (change.title, change.description) == ("Quota up", "Because.")
    with pytest.raises(NotAllowed):
        edit_change(people.dave, change=change, title="x")
    with pytest.raises(NotVisible):
        edit_change(people.mallory, change=change, title="x")


def test_only_who_asked_who_owns_and_maintainers_withdraw(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    change = create_change(people.alice, repository=repository, title="X", source_branch="x")
    with pytest.raises(NotAllowed) as refusal:
        withdraw(people.bob, change=change)
    assert "alice" in refusal.value.message
    withdraw(people.carol, change=change, reason="Duplicate of CHG-7")
    assert ChangeRequest.objects.get().closed_reason == "Duplicate of CHG-7"


def test_what_a_text_was_and_became_is_on_record_however_long_it_is(infra, people):
    repository, _ = infra
    change = create_change(people.alice, repository=repository, title="Quota", description="ж" * 40_000)
    edit_change(people.alice, change=change, title="Quota up", description="ж" * 40_000 + "!")
    edit_change(people.alice, change=change, title="Quota up", description="")
    first, second = AuditEntry.objects.filter(action="change.updated").order_by("seq")
    assert (first.data["before"]["title"], first.data["after"]["title"]) == ("Quota", "Quota up")
    assert first.data["before"]["description"] != first.data["after"]["description"]
    assert second.summary == "alice edited the description of CHG-1"
    assert second.data["before"] == {"description": first.data["after"]["description"]}
    assert second.data["after"] == {"description": ""}
