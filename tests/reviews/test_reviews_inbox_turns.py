"""Lines of the inbox that told a turn say when it has ended: on the page and over the API, without being written again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.changes.services import withdraw
from apps.deployments import services as deployments
from apps.reviews import services
from apps.reviews.inbox import inbox, is_over, turns_in
from apps.reviews.models import Attention, News
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.people import PASSWORD

REFRESH = "reviews.refresh_reviewers"


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    return Delivery.start(tmp_path, pipeline(), {})


def told(user: User) -> list[tuple[str, bool]]:
    """Kind of every line, the oldest of a row first, and whether its turn is over."""
    rows = inbox(user).items
    turns = turns_in(user, rows)
    return [(line["kind"], is_over(line, turns.get(row.change_id))) for row in rows for line in row.lines]


def who_was_asked(delivery: Delivery) -> User:
    run_jobs(REFRESH)
    return Attention.objects.get().user


def client_of(user: User) -> Client:
    client = Client()
    assert client.login(username=user.username, password=PASSWORD)
    return client


def test_a_turn_that_passed_on_is_over_and_the_page_and_the_api_say_so(delivery: Delivery) -> None:
    change = delivery.proposed()
    asked = who_was_asked(delivery)
    assert told(asked) == [("turn", False)]
    page = client_of(asked)
    before = page.get("/inbox/").content.decode()
    assert "My turn</span>" in before and "urn ended" not in before
    assert page.get("/api/v1/inbox/").json()["results"][0]["lines"][0]["over"] is False
    services.submit_review(asked, change=change, revision=1, verdict="comment", body="Why?")
    run_jobs(REFRESH)
    assert told(asked) == [("turn", True)]
    after = page.get("/inbox/").content.decode()
    assert "Turn ended</span>" in after and "· turn ended<" in after and "My turn</span>" not in after
    assert page.get("/api/v1/inbox/").json()["results"][0]["lines"][0]["over"] is True
    assert News.objects.get(user=asked).read_at is None


def test_a_change_that_is_withdrawn_or_merged_leaves_no_turn(delivery: Delivery) -> None:
    delivery.proposed()
    asked = who_was_asked(delivery)
    withdraw(delivery.people.alice, change=News.objects.get().change, reason="Not needed")
    assert told(asked) == [("turn", True)]  # before any job
    change = delivery.approved("two")
    run_jobs(REFRESH)
    assert ("turn", False) in told(delivery.people.alice)  # ready to merge
    deployments.merge_change(delivery.people.carol, change=change)
    assert ("turn", False) not in told(delivery.people.alice)


def test_another_kind_of_turn_ends_the_one_of_before_but_not_a_reminder(delivery: Delivery) -> None:
    change = delivery.proposed()
    asked = who_was_asked(delivery)
    services.nudge(delivery.people.alice, change=change, user=asked)
    run_jobs(REFRESH)
    assert told(asked) == [("turn", False), ("nudge", False)]
    turn = Attention.objects.get(user=asked)
    turn.kind = "lost"
    turn.save()
    assert told(asked) == [("turn", True), ("nudge", False)]
    turn.kind = "answered"  # is told by the answer: what was asked before goes on
    turn.save()
    assert told(asked) == [("turn", False), ("nudge", False)]


def test_a_turn_that_came_back_is_told_by_its_own_line_alone(delivery: Delivery) -> None:
    delivery.proposed()
    asked = who_was_asked(delivery)
    turn = Attention.objects.get(user=asked)
    turn.since += timedelta(minutes=4)  # within five minutes the same is not told again
    turn.save()
    assert told(asked) == [("turn", False)]
    turn.since += timedelta(minutes=4)
    turn.save()
    assert told(asked) == [("turn", True)]


def test_what_is_told_of_reviews_is_never_over(delivery: Delivery) -> None:
    change = delivery.approved()
    withdraw(delivery.people.alice, change=change, reason="Not needed")
    assert ("review", False) in told(delivery.people.alice)
