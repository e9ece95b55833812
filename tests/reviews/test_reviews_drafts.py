"""What is typed and not said: kept for its author alone, said once, and never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.reviews import services
from apps.reviews.drafts import drafts_of
from apps.reviews.models import Comment, DraftComment, News, Review, Thread
from apps.reviews.services import threads_drafts
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return delivery.proposed("one", {"app/values.yaml": "a: 1\nb: 2\n"})


def save(delivery: Delivery, change: ChangeRequest, who: str = "bob", **fields: object) -> DraftComment | None:
    return services.save_draft(getattr(delivery.people, who), change=change, **{"body": "Hm", **fields})  # type: ignore[arg-type]


def review(delivery: Delivery, change: ChangeRequest, revision: int = 1) -> Review:
    return services.submit_review(
        delivery.people.bob, change=change, revision=revision, verdict="request_changes", body="See below"
    )


def test_a_draft_is_saved_again_and_again_in_one_row(delivery: Delivery, change: ChangeRequest) -> None:
    for text in ("H", "He", "Hello"):
        save(delivery, change, body=text, path="app/values.yaml", line=1)
    save(delivery, change, path="app/values.yaml", line=2)
    save(delivery, change, "kim", path="app/values.yaml", line=1)
    assert [row.body for row in drafts_of(delivery.people.bob, change)] == ["Hello", "Hm"]


def test_drafts_are_seen_by_nobody_else_and_leave_no_trace(delivery: Delivery, change: ChangeRequest) -> None:
    before = AuditEntry.objects.count()
    draft = save(delivery, change)
    assert draft is not None
    assert not drafts_of(delivery.people.kim, change)
    services.delete_draft(delivery.people.kim, draft=draft)
    assert DraftComment.objects.filter(pk=draft.pk).exists()
    assert AuditEntry.objects.count() == before


def test_empty_text_takes_the_draft_away(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change)
    assert save(delivery, change, body=" ") is None
    assert not DraftComment.objects.exists()


def test_autosave_never_takes_a_comment_out_of_the_review(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change, pending=True)
    save(delivery, change, body="Hm, better")
    assert DraftComment.objects.get().pending


def test_drafts_are_bounded_in_number_and_size(
    delivery: Delivery, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads_drafts, "MAX_DRAFTS", 2)
    save(delivery, change)
    save(delivery, change, path="app/values.yaml")
    with pytest.raises(Conflict):
        save(delivery, change, path="app/values.yaml", line=1)
    save(delivery, change, body="one that is there can still be changed")
    with pytest.raises(InvalidInput):
        save(delivery, change, body="x" * 20_001)


def test_who_may_not_comment_keeps_no_drafts(delivery: Delivery, change: ChangeRequest) -> None:
    for who in ("dave", "mallory"):
        with pytest.raises(NotAllowed):
            save(delivery, change, who)


def test_pending_comments_are_said_with_the_review_in_one_entry(delivery: Delivery, change: ChangeRequest) -> None:
    thread = services.open_thread(delivery.people.alice, change=change, body="Look here", kind="question")
    save(delivery, change, path="app/values.yaml", line=1, pending=True, kind="blocking", body="No")
    save(delivery, change, thread=thread.number, pending=True, body="I did")
    save(delivery, change, path="app/values.yaml", line=2, body="only a draft")
    before = AuditEntry.objects.count()
    review(delivery, change)
    assert AuditEntry.objects.count() == before + 1
    assert AuditEntry.objects.latest("seq").data["threads"] == [2]
    assert AuditEntry.objects.latest("seq").data["replies"] == [1]
    assert [(row.number, row.kind, row.state) for row in Thread.objects.order_by("number")] == [
        (1, "question", "answered"),
        (2, "blocking", "open"),
    ]
    assert [row.body for row in DraftComment.objects.all()] == ["only a draft"]


def test_a_moved_head_keeps_every_pending_comment(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change, path="app/values.yaml", line=2, pending=True)
    delivery.work.run("checkout", "-q", "one")
    delivery.work.commit("more", files={"app/values.yaml": "x: 0\na: 1\nb: 2\n"})
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    run_jobs()
    with pytest.raises(Conflict):
        review(delivery, change, revision=1)
    assert DraftComment.objects.filter(pending=True).count() == 1
    assert not Thread.objects.exists()
    review(delivery, change, revision=2)
    thread = Thread.objects.select_related("revision").get()
    assert thread.revision is not None
    assert (thread.revision.number, thread.snippet) == (1, "b: 2")


def test_a_double_click_says_everything_once(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change, pending=True)
    review(delivery, change)
    with pytest.raises(Conflict):
        review(delivery, change)
    assert Comment.objects.count() == 1


def test_one_draft_that_cannot_be_said_holds_all_of_them(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change, pending=True)
    save(delivery, change, path="app/values.yaml", line=77, pending=True)
    with pytest.raises(InvalidInput):
        review(delivery, change)
    assert DraftComment.objects.filter(pending=True).count() == 2
    assert not Thread.objects.exists()
    assert not Review.objects.exists()


def test_what_is_said_at_once_needs_no_draft_any_more(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change, path="app/values.yaml", line=1)
    thread = services.open_thread(delivery.people.bob, change=change, body="Hm!", path="app/values.yaml", line=1)
    save(delivery, change, thread=thread.number)
    services.reply(delivery.people.bob, thread=thread, body="and")
    assert not DraftComment.objects.exists()


def test_the_comments_of_a_review_need_no_further_text_and_are_told_like_any_other(
    delivery: Delivery, change: ChangeRequest
) -> None:
    save(delivery, change, body="Why b?", path="app/values.yaml", line=2, pending=True)
    News.objects.all().delete()
    services.submit_review(delivery.people.bob, change=change, revision=1, verdict="comment")
    told = News.objects.get(user=delivery.people.alice)
    assert "thread:1" in {line["place"] for line in told.lines}
    assert "“Why b?”" in " ".join(line["text"] for line in told.lines)
    with pytest.raises(InvalidInput) as refusal:
        services.submit_review(delivery.people.bob, change=change, revision=1, verdict="comment")
    assert refusal.value.code == "body_required", "the second one has nothing to say"


def test_an_own_draft_that_is_not_pending_says_nothing_for_a_review(delivery: Delivery, change: ChangeRequest) -> None:
    save(delivery, change)
    save(delivery, change, "kim", pending=True)
    with pytest.raises(InvalidInput):
        services.submit_review(delivery.people.bob, change=change, revision=1, verdict="comment", body=" ")
    save(delivery, change, pending=True)
    with pytest.raises(InvalidInput):
        services.submit_review(delivery.people.bob, change=change, revision=1, verdict="request_changes")
