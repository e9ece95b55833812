"""The inbox: what is told to whom, merged, hidden, kept and forgotten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotVisible
from apps.repositories.models import RepositoryRole
from apps.reviews import services
from apps.reviews.inbox import counts_of, inbox
from apps.reviews.models import News
from apps.reviews.transitions import tell
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

REFRESH = "reviews.refresh_reviewers"


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    return Delivery.start(tmp_path, pipeline(), {})


def lines(user: User) -> list[tuple[str, str]]:
    return [(line["kind"], line["place"]) for row in inbox(user).items for line in row.lines]


def test_what_happens_within_five_minutes_on_a_change_is_one_row(delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    thread = services.open_thread(people.bob, change=change, body="Why?")
    services.reply(people.bob, thread=thread, body="Really, why?")
    services.submit_review(people.bob, change=change, revision=1, verdict="approve")
    assert News.objects.filter(user=people.alice).count() == 1
    assert lines(people.alice) == [("reply", "thread:1"), ("reply", "thread:1"), ("review", "approvals")]
    News.objects.update(first_at=now() - timedelta(minutes=6))
    services.reply(people.bob, thread=thread, body="Later.")
    assert News.objects.filter(user=people.alice).count() == 2


def test_nobody_is_told_what_they_did_themselves(delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    services.open_thread(people.alice, change=change, body="A note to myself")
    assert lines(people.alice) == []


def test_the_way_of_a_change_is_told_to_its_author(delivery: Delivery) -> None:
    change = delivery.approved()
    run_jobs(REFRESH)
    from apps.deployments import services as deployments

    deployments.merge_change(delivery.people.carol, change=change)
    run_until_idle()
    kinds = {kind for kind, _ in lines(delivery.people.alice)}
    assert kinds == {"review", "turn", "merged", "deployed"}


def test_a_turn_that_began_is_told_with_its_reason_and_once(delivery: Delivery) -> None:
    delivery.proposed()
    for _ in range(3):
        run_jobs(REFRESH)
    rows = News.objects.all()
    assert len(rows) == 1
    assert [line["kind"] for line in rows[0].lines] == ["turn"]
    assert "a reviewer" in rows[0].lines[0]["text"]


def test_who_lost_their_role_no_longer_sees_the_row(delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    tell(change, [people.bob.pk], kind="nudge", text="alice reminds you")
    assert (len(inbox(people.bob).items), counts_of(people.bob)) == (1, (0, 1))
    RepositoryRole.objects.filter(user=people.bob).delete()
    assert (len(inbox(people.bob).items), counts_of(people.bob)) == (0, (0, 0))


def test_rows_are_marked_by_their_owner_only(delivery: Delivery) -> None:
    change, people = delivery.proposed(), delivery.people
    tell(change, [people.bob.pk], kind="nudge", text="alice reminds you")
    row = News.objects.get()
    with pytest.raises(NotVisible):
        services.mark_news(people.kim, rows=[row.pk], read=True)
    assert services.mark_news(people.bob, rows=[row.pk], read=True) == 1
    assert services.mark_news(people.bob, rows=[row.pk], read=True) == 0
    assert inbox(people.bob, unread=True).items == []
    assert services.mark_news(people.bob, rows=[row.pk], read=False) == 1
    assert (services.mark_all_read(people.bob), services.mark_all_read(people.bob)) == (1, 0)


def test_a_read_row_is_not_written_into_any_more(delivery: Delivery) -> None:
    change, bob = delivery.proposed(), delivery.people.bob
    tell(change, [bob.pk], kind="nudge", text="one")
    services.mark_all_read(bob)
    tell(change, [bob.pk], kind="nudge", text="two")
    assert News.objects.filter(user=bob, read_at=None).count() == 1


def test_what_a_person_muted_is_not_told(delivery: Delivery) -> None:
    change, bob = delivery.proposed(), delivery.people.bob
    services.choose_news(bob, muted=["nudge"])
    tell(change, [bob.pk], kind="nudge", text="not this")
    tell(change, [bob.pk], kind="turn", text="but this")
    assert lines(bob) == [("turn", "")]
    with pytest.raises(InvalidInput):
        services.choose_news(bob, muted=["everything"])


def test_filter_and_pages(delivery: Delivery) -> None:
    change, bob = delivery.proposed(), delivery.people.bob
    for number in range(5):
        tell(change, [bob.pk], kind="nudge" if number % 2 else "reply", text=str(number))
        News.objects.update(first_at=now() - timedelta(minutes=6))
    first = inbox(bob, limit=2)
    rest = inbox(bob, limit=10, after=first.next_after)
    assert [row.lines[0]["text"] for row in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    assert [row.lines[0]["text"] for row in inbox(bob, kind="nudge").items] == ["3", "1"]


def test_rows_are_forgotten_after_ninety_days(delivery: Delivery) -> None:
    change, bob = delivery.proposed(), delivery.people.bob
    tell(change, [bob.pk], kind="nudge", text="old")
    News.objects.update(last_at=now() - timedelta(days=89))
    assert run_jobs("reviews.forget_news") == 0
    News.objects.update(last_at=now() - timedelta(days=91))
    assert run_jobs("reviews.forget_news") == 1
    assert News.objects.count() == 0
