"""Every form works without JavaScript: POST, 303, and the page that shows the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.http import HttpResponse
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Unavailable
from apps.reviews.models import Assignment, Comment, Review, Thread
from apps.web.forms.base import attempt
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import World, settle

AS = Callable[[str], Client]


def done(answer: Any, url: str) -> None:
    assert answer.status_code == 303, answer.content.decode()[:400]
    assert answer["Location"] == url


def review(
    world: World, client: Client, verdict: str, body: str = "", *, revision: int | None = None, key: str = ""
) -> HttpResponse:
    current = world.change("open").revision
    assert current is not None
    fields = {"revision": revision or current.number, "verdict": verdict, "body": body, "idempotency_key": key}
    return client.post(world.url("open", "reviews/"), fields)


def test_anybody_who_sees_a_repository_asks_for_a_change(world: World, as_: AS) -> None:
    answer = as_("kim").post(
        "/changes/new/", {"repository": "infra", "title": "More memory", "description": "It dies."}
    )
    made = ChangeRequest.objects.get(title="More memory")
    done(answer, f"/changes/{made.number}/")
    assert made.status == "requested"


def test_an_author_starts_a_change_from_a_branch(world: World, as_: AS) -> None:
    branch_with(world.work, "fresh", {"fresh.txt": "1\n"})
    pushed(world.repository, world.work)
    page = as_("alice").get("/changes/new/?repository=infra&branch=fresh").content.decode()
    assert '<option value="fresh" selected>' in page
    as_("alice").post(
        "/changes/new/", {"repository": "infra", "title": "Fresh", "source_branch": "fresh", "target_branch": "main"}
    )
    assert ChangeRequest.objects.get(title="Fresh").status == "in_review"


def test_a_form_that_is_not_right_keeps_what_was_typed(world: World, as_: AS) -> None:
    answer = as_("alice").post("/changes/new/", {"repository": "infra", "title": "", "description": "Long thoughts"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Long thoughts" in text
    assert 'href="#id_title"' in text


def test_a_double_click_makes_one_change(world: World, as_: AS) -> None:
    fields = {"repository": "infra", "title": "Only once", "idempotency_key": "k" * 24}
    first, second = (as_("kim").post("/changes/new/", fields) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert ChangeRequest.objects.filter(title="Only once").count() == 1


def test_a_backlog_request_is_assigned_and_gets_its_branch(world: World, as_: AS) -> None:
    url = world.url("backlog")
    done(as_("bob").post(f"{url}assignments/", {"user": "@alice", "reason": "You know Vault"}), url)
    row = Assignment.objects.get(change=world.change("backlog"))
    assert (row.user.username, row.duty, row.reason) == ("alice", "write", "You know Vault")
    branch_with(world.work, "rotate", {"vault.txt": "new\n"}, author="Alice <alice@example.org>")
    pushed(world.repository, world.work)
    done(as_("alice").post(f"{url}attach/", {"source_branch": "rotate"}), url)
    assert world.change("backlog").status == "in_review"


def test_assigning_somebody_who_is_not_there_says_so_at_the_field(world: World, as_: AS) -> None:
    answer = as_("bob").post(world.url("backlog", "assignments/"), {"user": "nobody", "reason": "kept words"})
    assert answer.status_code == 422
    assert "Nobody here is called" in answer.content.decode()
    assert "kept words" in answer.content.decode()


def test_a_change_is_edited_made_a_draft_and_ready_again(world: World, as_: AS) -> None:
    alice, url = as_("alice"), world.url("open")
    done(alice.post(f"{url}edit/", {"title": "Raise it twice", "description": "**Why** not"}), url)
    assert "<strong>Why</strong>" in alice.get(url).content.decode()
    done(alice.post(f"{url}draft/"), url)
    assert world.change("open").status == "draft"
    done(alice.post(f"{url}ready/"), url)
    assert world.change("open").status == "in_review"


def test_a_change_is_withdrawn_and_reopened(world: World, as_: AS) -> None:
    alice, url = as_("alice"), world.url("open")
    done(alice.post(f"{url}withdraw/", {"reason": "Not needed"}), url)
    assert world.change("open").status == "withdrawn"
    done(alice.post(f"{url}reopen/"), url)
    assert world.change("open").status == "draft"


def test_an_approval_is_recorded_with_what_was_shown(world: World, as_: AS) -> None:
    done(review(world, as_("bob"), "approve", "Looks right"), world.url("open"))
    row = Review.objects.get(change=world.change("open"))
    assert (row.verdict, row.body, row.shown["files"]) == ("approve", "Looks right", 2)
    assert "Looks right" in as_("alice").get(world.url("open", "approvals/")).content.decode()


def test_an_author_is_refused_with_the_reason_and_keeps_the_text(world: World, as_: AS) -> None:
    answer = review(world, as_("alice"), "approve", "I like my own work")
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "somebody else has to approve it" in text or "needs the role reviewer" in text
    assert "I like my own work" in text
    assert not Review.objects.exists()


def test_requesting_changes_without_a_reason_asks_for_one(world: World, as_: AS) -> None:
    answer = review(world, as_("bob"), "request_changes")
    assert answer.status_code == 422
    assert "Say what should change" in answer.content.decode()


def test_a_stale_review_keeps_the_text_names_the_new_revision_and_links_the_difference(world: World, as_: AS) -> None:
    seen = world.change("open").revision
    assert seen is not None
    world.work.run("checkout", "-q", "more")
    world.work.commit("more of it", files={"app/more.yaml": "b: 2\n"})
    pushed(world.repository, world.work, "more")
    settle()
    answer = review(world, as_("bob"), "approve", "Fine as I saw it", revision=seen.number)
    assert answer.status_code == 409
    text = answer.content.decode()
    now = seen.number + 1
    assert f"r{now} arrived " in text
    assert f"while you looked at r{seen.number}." in text
    assert "Fine as I saw it" in text
    assert f"diff/?from=r{seen.number}&amp;to=r{now}" in text
    assert f'name="revision" value="{now}"' in text
    assert not Review.objects.exists()


def test_a_double_click_on_submit_makes_one_review(world: World, as_: AS) -> None:
    bob = as_("bob")
    answers = [review(world, bob, "comment", "Hm", key="r" * 24) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert Review.objects.count() == 1


def test_a_thread_is_opened_answered_resolved_and_reopened(world: World, as_: AS) -> None:
    bob, url = as_("bob"), world.url("open")
    opened = bob.post(
        f"{url}threads/", {"body": "Is 33 right?", "kind": "blocking", "path": "app/values.yaml", "line": "4"}
    )
    done(opened, f"{url}#thread-1")
    done(as_("alice").post(f"{url}threads/1/reply/", {"body": "It is."}), f"{url}#thread-1")
    assert as_("alice").post(f"{url}threads/1/resolve/").status_code == 403
    done(bob.post(f"{url}threads/1/resolve/"), f"{url}#thread-1")
    assert Thread.objects.get().state == "resolved"
    done(bob.post(f"{url}threads/1/reopen/"), f"{url}#thread-1")
    assert Comment.objects.count() == 2
    text = bob.get(url).content.decode()
    assert "app/values.yaml:4" in text
    assert "1 open, 1 blocking" in text


def test_a_comment_on_a_file_that_is_not_there_is_refused_and_kept(world: World, as_: AS) -> None:
    answer = as_("bob").post(world.url("open", "threads/"), {"body": "Precious words", "path": "no/such.file"})
    assert answer.status_code == 422
    assert "Precious words" in answer.content.decode()


def test_merging_before_it_is_allowed_says_what_is_missing(world: World, as_: AS) -> None:
    answer = as_("alice").post(world.url("open", "merge/"))
    assert answer.status_code == 409
    assert world.change("open").status == "in_review"


def test_an_approved_change_is_merged_by_its_button(world: World, as_: AS) -> None:
    review(world, as_("bob"), "approve")
    settle()
    page = as_("alice").get(world.url("open")).content.decode()
    assert f'action="{world.url("open", "merge/")}"' in page
    done(as_("alice").post(world.url("open", "merge/")), world.url("open"))
    settle()
    assert world.change("open").status in {"merged", "done"}
    assert as_("bob").get(world.url("open", "deployments/")).status_code == 200


def test_every_action_leaves_one_audit_entry_and_it_is_in_the_history(world: World, as_: AS) -> None:
    before = AuditEntry.objects.count()
    review(world, as_("bob"), "approve")
    assert AuditEntry.objects.count() == before + 1
    assert "bob approved" in as_("alice").get(world.url("open", "history/")).content.decode()


def test_an_htmx_form_is_sent_on_by_header(world: World, as_: AS) -> None:
    answer = as_("alice").post(world.url("open", "draft/"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, world.url("open"))


def test_preferences_are_cookies_and_lead_back_to_this_host_only(db: None) -> None:
    answer = Client().post("/preferences/", {"theme": "dark", "diff": "nonsense", "next": "/changes/?q=a"})
    done(answer, "/changes/?q=a")
    assert answer.cookies["theme"].value == "dark"
    assert "diff" not in answer.cookies
    done(Client().post("/preferences/", {"next": "https://elsewhere.example/"}), "/")


def test_the_address_of_a_button_opened_as_a_page_says_so(world: World, as_: Callable[[str], Client]) -> None:
    answer = as_("bob").get(world.url("open", "ready/"))
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert b"belongs to a button" in answer.content


def test_a_host_that_is_away_is_told_at_the_field_where_it_is_about_one_and_nothing_typed_is_lost() -> None:
    class Form(forms.Form):
        branch = forms.CharField()

    def away(**details: Any) -> None:
        raise Unavailable("not_looked", "It does not answer.", **details)

    form = Form({"branch": "just-now"})
    assert attempt(form, lambda: away(fields={"branch": "It does not answer."})) is None
    assert (form.errors["branch"], form["branch"].value()) == (["It does not answer."], "just-now")
    with pytest.raises(Unavailable):
        attempt(Form({"branch": "x"}), away)
