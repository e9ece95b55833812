"""The form that finishes a review: what is approved, whether it counts, what was not seen; and the Approvals tab."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.repositories.services import set_member
from apps.reviews import services
from apps.reviews.models import Review
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import World, settle
from tests.web.test_web_viewed import file_ids

AS = Callable[[str], Client]
RULES = """\
apiVersion: portal/v1
rules:
  - {name: careful, needs: {approvals: 1, from: [role/reviewer], seen: all}}
"""


def form_of(client: Client, world: World, name: str = "open") -> str:
    html = client.get(world.url(name, "diff/")).content.decode()
    return html[html.index('id="review"') : html.index('id="viewed-form"')]


def careful(world: World) -> None:
    """The rule that everything must be viewed, on the target branch."""
    world.work.run("checkout", "-q", "main")
    world.work.commit("rules", files={".gitops/portal.yaml": RULES})
    pushed(world.repository, world.work, "main")
    settle()


def newer(world: World) -> None:
    world.work.run("checkout", "-q", "more")
    world.work.commit("more", files={"app/new.yaml": "a: 2\n"}, author="Alice <alice@example.org>")
    pushed(world.repository, world.work, "more")
    settle()


def review(world: World, **more: str) -> dict[str, str]:
    revision = world.change("open").revision
    assert revision is not None
    return {"revision": str(revision.number), "verdict": "approve", "view": "unified", **more}


def test_acceptance_19_the_form_says_for_what_the_approval_will_count(world: World, as_: AS) -> None:
    form = form_of(as_("bob"), world)
    assert "Your approval will count for: owners of everything else." in form
    assert "What you approve: <b>r1</b>, 2 files into <code>main</code> for default" in form


def test_acceptance_19_it_says_why_the_approval_will_not_count(world: World, as_: AS) -> None:
    set_member(world.people.carol, repository=world.repository, member="alice", role="maintainer")
    form = form_of(as_("alice"), world)
    assert "Your approval will not count: You contributed to" in form


def test_acceptance_30_unseen_files_are_named_with_links_and_the_text_is_kept(world: World, as_: AS) -> None:
    careful(world)
    bob, ids = as_("bob"), file_ids(world)
    form = form_of(bob, world)
    assert "2 of 2 files not seen" in form
    assert f'href="#f-{ids["app/new.yaml"]}"' in form
    refused = bob.post(world.url("open", "reviews/"), review(world, body="my words"))
    html = refused.content.decode()
    assert refused.status_code == 422
    assert "A rule asks you to have seen this before you approve" in html
    assert f'href="{world.url("open", "diff/")}#f-{ids["app/new.yaml"]}"' in html
    assert "my words" in html
    assert not Review.objects.exists()
    revision = review(world)["revision"]
    bob.post(world.url("open", "viewed/"), {"file": list(ids.values()), "revision": revision})
    assert "will count for: careful" in form_of(bob, world)
    assert bob.post(world.url("open", "reviews/"), review(world)).status_code == 303


def test_acceptance_29_a_moved_head_gives_409_with_the_text_and_the_comparison(world: World, as_: AS) -> None:
    bob, before = as_("bob"), review(world, body="my words")
    newer(world)
    Revision.objects.filter(number=2).update(created_at=now() - timedelta(seconds=20))
    answer = bob.post(world.url("open", "reviews/"), before)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "r2 arrived" in html
    assert "my words" in html
    assert 'name="revision" value="2"' in html
    assert f"{world.url('open', 'diff/')}?from=r1&amp;to=r2" in html
    assert "data-keep-drafts" in html, "the browser keeps its draft too"
    assert not Review.objects.exists()


def test_what_is_sent_from_the_page_of_a_conflict_attests_nothing_of_the_new_revision(world: World, as_: AS) -> None:
    newer(world)
    as_("bob").post(world.url("open", "reviews/"), review(world, view=""))
    shown = Review.objects.get().shown
    assert len(shown["not_displayed"]) == shown["files"] == 2


def test_acceptance_25_what_the_browser_loaded_is_stored_and_unknown_ids_are_dropped(world: World, as_: AS) -> None:
    ids = file_ids(world)
    told = f"{ids['app/values.yaml']}+ deadbeef <script> {'0' * 90}"
    as_("bob").post(world.url("open", "reviews/"), review(world, displayed=told))
    shown = Review.objects.get().shown
    assert shown["reported"] is True
    assert [row["path"] for row in shown["partly"]] == ["app/values.yaml"]
    assert shown["not_displayed"] == []
    assert "deadbeef" not in str(shown)


def test_destroys_stand_first_in_the_form(world: World, as_: AS) -> None:
    doc = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: db}\n"
    world.work.run("checkout", "-q", "main")
    world.work.commit("db", files={"db.yaml": doc})
    pushed(world.repository, world.work, "main")
    branch_with(world.work, "nodb", {"db.yaml": "# nothing\n"}, author="Alice <alice@example.org>")
    pushed(world.repository, world.work, "nodb")
    settle()
    from apps.changes.services import create_change

    made = create_change(world.people.alice, repository=world.repository, title="Gone", source_branch="nodb")
    world.numbers["gone"] = made.number
    settle()
    form = form_of(as_("bob"), world, "gone")
    assert "Destroyed: 1" in form
    assert form.index("db.yaml: PersistentVolumeClaim db") < form.index("Your verdict")


def test_acceptance_18_the_approvals_tab_says_why_an_approval_does_not_count_and_what_would_help(
    world: World, as_: AS
) -> None:
    bob = as_("bob")
    bob.post(world.url("open", "reviews/"), review(world))
    assert "For owners of everything else." in bob.get(world.url("open", "approvals/")).content.decode()
    newer(world)
    html = bob.get(world.url("open", "approvals/")).content.decode()
    assert "No longer counts" in html
    assert "r2 changed the source since bob approved r1." in html
    outlook = html[html.index('id="outlooks"') :]
    assert "If <b>@bob</b> approved now" in outlook
    assert "Met: nothing else would stand in the way." in outlook


def test_a_request_for_changes_says_who_alone_can_clear_it(world: World, as_: AS) -> None:
    as_("bob").post(world.url("open", "reviews/"), review(world, verdict="request_changes", body="no"))
    html = as_("alice").get(world.url("open", "approvals/")).content.decode()
    assert "cleared only by who gave it (bob)" in html
    assert f"reviews/{Review.objects.get().pk}/withdraw/" not in html, "alice cannot withdraw what bob said"


def test_an_approval_is_withdrawn_from_the_page_and_stays_on_record(world: World, as_: AS) -> None:
    bob = as_("bob")
    bob.post(world.url("open", "reviews/"), review(world))
    row = Review.objects.get()
    assert f"reviews/{row.pk}/withdraw/" in bob.get(world.url("open", "approvals/")).content.decode()
    answer = bob.post(world.url("open", f"reviews/{row.pk}/withdraw/"))
    assert (answer.status_code, answer.headers["Location"]) == (303, world.url("open", "approvals/"))
    html = bob.get(world.url("open", "approvals/")).content.decode()
    assert "bob withdrew it." in html
    assert bob.post(world.url("open", f"reviews/{row.pk}/withdraw/")).status_code == 409
    assert bob.post(world.url("hostile", f"reviews/{row.pk}/withdraw/")).status_code == 404
    assert bob.post(world.url("open", "reviews/"), review(world)).status_code == 303


def test_a_double_click_gives_one_review(world: World, as_: AS) -> None:
    body = review(world, idempotency_key="k" * 24)
    bob = as_("bob")
    assert [bob.post(world.url("open", "reviews/"), body).status_code for _ in range(2)] == [303, 303]
    assert bob.post(world.url("open", "reviews/"), review(world)).status_code == 409
    assert Review.objects.count() == 1


def test_two_stale_pages_and_a_push_let_no_old_approval_through(world: World, as_: AS) -> None:
    first = ChangeRequest.objects.select_related("repository", "revision").get(number=world.numbers["open"])
    newer(world)
    answer = as_("bob").post(world.url("open", "reviews/"), {"revision": "1", "verdict": "approve"})
    assert answer.status_code == 409
    with pytest.raises(Conflict) as refusal:
        services.submit_review(world.people.bob, change=first, revision=1, verdict="approve")
    assert refusal.value.code == "stale_revision"
    assert not Review.objects.exists()


def test_nobody_approves_from_a_page_that_leaves_white_space_out(world: World, as_: AS) -> None:
    html = as_("bob").get(world.url("open", "diff/?w=1")).content.decode()
    assert 'id="review-form"' not in html
    assert "0/2 viewed" in html


def test_acceptance_25_a_refused_form_still_names_what_is_not_displayed(world: World, as_: AS) -> None:
    careful(world)
    world.work.run("checkout", "-q", "more")
    lock = "".join(f"line {n}\n" for n in range(2_000))
    world.work.commit("lock", files={"package-lock.json": lock}, author="Alice <alice@example.org>")
    pushed(world.repository, world.work, "more")
    settle()
    bob, current = as_("bob"), review(world)
    refused = bob.post(world.url("open", "reviews/"), current)
    stale = bob.post(world.url("open", "reviews/"), {**current, "revision": "1"})
    assert (refused.status_code, stale.status_code) == (422, 409)
    for html in (refused.content.decode(), stale.content.decode()):
        part = html[html.index('id="not-displayed"') :].split("</div>")[0]
        assert "package-lock.json" in part
        assert "Large: 2,000 changed lines" in part
        assert f'href="{world.url("open", "diff/")}#f-' in part


def test_a_review_that_was_reached_from_a_comparison_says_so(world: World, as_: AS) -> None:
    newer(world)
    bob = as_("bob")
    comparison = bob.get(world.url("open", "diff/?from=r1&to=r2")).content.decode()
    link = f"{world.url('open', 'diff/')}?compared=r1"
    assert f'href="{link}#review"' in comparison
    form = bob.get(link).content.decode()
    assert '<input type="hidden" name="compared" value="r1"' in form
    bob.post(world.url("open", "reviews/"), review(world, compared="r1"))
    row = Review.objects.get()
    assert row.shown["compared"] == {"from": "r1", "to": "r2"}
    assert "reached from what changed between r1 and r2" in bob.get(world.url("open", "approvals/")).content.decode()


@pytest.mark.parametrize("told", ["", "r2", "r9", "r0", "1", "base", "<b>"])
def test_a_comparison_that_there_is_not_is_not_attested(world: World, as_: AS, told: str) -> None:
    newer(world)
    assert as_("bob").post(world.url("open", "reviews/"), review(world, compared=told)).status_code == 303
    assert "compared" not in Review.objects.get().shown


def test_after_a_newer_revision_the_form_no_longer_claims_the_comparison(world: World, as_: AS) -> None:
    newer(world)
    before = review(world, compared="r1")
    world.work.run("checkout", "-q", "more")
    world.work.commit("again", files={"app/new.yaml": "a: 3\n"}, author="Alice <alice@example.org>")
    pushed(world.repository, world.work, "more")
    settle()
    answer = as_("bob").post(world.url("open", "reviews/"), before)
    assert answer.status_code == 409
    assert 'name="compared" value="r1"' not in answer.content.decode()
