"""Who is asked instead: absences, "not me", swaps, reminders, new revisions, rebalancing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.presentation.reviewers import reviewers_panel
from apps.repositories.services import set_member
from apps.reviews import jobs, services
from apps.reviews.balancing import Request, plan_moves, rebalancing_plan
from apps.reviews.content import files_of
from apps.reviews.models import Assignment, Attention, Choice, News
from tests.support.delivery import Delivery, pipeline
from tests.support.people import person, team
from tests.support.repositories import pushed

TODAY = datetime.now(UTC).date()


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    """bob, kim and lee own everything; kim alone owns /net/."""
    portal = pipeline().replace("[role/reviewer]", "[code-owners]")
    files = {"CODEOWNERS": "*  @bob @kim @lee\n[Net]\n/net/  @kim\n", "net/lb.yaml": "port: 80\n"}
    started = Delivery.start(tmp_path, portal, files)
    lee = person("lee")
    team("network", started.people.kim)
    set_member(started.people.carol, repository=started.repository, member="lee", role="reviewer")
    assert lee.is_active
    return started


def asked(change: ChangeRequest) -> list[str]:
    rows = Assignment.objects.filter(change=change, ended_at=None).order_by("pk")
    return list(rows.values_list("user__username", flat=True))


def away(user: User, days: int = 3, deputy: User | None = None) -> Any:
    return accounts.declare_absence(
        user, user=user, first_day=TODAY, last_day=TODAY + timedelta(days=days), deputy=deputy
    )


def look(*changes: ChangeRequest) -> None:
    for change in changes:
        jobs.refresh(change.pk)


def why_not(change: ChangeRequest) -> dict[str, str]:
    needs = Choice.objects.get(change=change).record["needs"]
    return {row["name"]: "; ".join(row["why"]) for need in needs for row in need["not_asked"]}


def test_each_choice_is_stored_with_why_and_why_not(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"app/values.yaml": "replicas: 2\n", "net/lb.yaml": "port: 81\n"})
    look(change)
    assert asked(change) == ["kim"], "one person covers both requirements"
    record = Choice.objects.get(change=change).record
    assert (record["asked"], record["named"]) == (1, 3)
    owners, net = record["needs"]
    assert (owners["place"], owners["line"], net["line"]) == ("CODEOWNERS:1", 1, 3)
    assert net["paths"] == ["net/lb.yaml"]
    assert "covers both" in owners["asked"][0]["why"]
    assert why_not(change)["bob"] == "not needed: @kim covers both"
    look(change)
    assert Choice.objects.get(change=change).record == record, "the explanation does not change by being looked at"


def test_while_somebody_is_away_the_deputy_is_asked_with_the_reason(delivery: Delivery) -> None:
    people = delivery.people
    lee = User.objects.get(username="lee")
    away(people.bob, deputy=lee)
    change = delivery.proposed()
    look(change)
    row = Assignment.objects.get(change=change)
    assert (row.user.username, row.stands_for) == ("lee", people.bob)
    assert row.reason.startswith("for @bob, away until ")
    assert "away until" in why_not(change)["bob"]
    assert "@lee is asked instead" in why_not(change)["bob"]


def test_a_deputy_who_could_not_approve_is_passed_over_for_the_next_best(delivery: Delivery) -> None:
    away(delivery.people.bob, deputy=delivery.people.alice)
    change = delivery.proposed()
    look(change)
    assert asked(change) == ["kim"]
    assert Assignment.objects.get(change=change).stands_for is None


def test_an_open_request_of_somebody_who_goes_away_is_offered_to_another(delivery: Delivery) -> None:
    change = delivery.proposed()
    look(change)
    assert asked(change) == ["bob"]
    away(delivery.people.bob)
    assert change.pk in list(jobs.due(10)), "the job finds it without being told"
    look(change)
    assert asked(change) == ["kim"]
    ended = Assignment.objects.get(change=change, user=delivery.people.bob)
    assert ended.ending == "away"
    assert "away until" in ended.ended_reason
    assert change.pk not in list(jobs.due(10)), "and does not come back to it"


def test_who_has_begun_keeps_the_request_while_away(delivery: Delivery) -> None:
    change = delivery.proposed()
    look(change)
    services.open_thread(delivery.people.bob, change=change, body="Why two?")
    away(delivery.people.bob)
    look(change)
    assert "bob" in asked(change)


def test_when_everybody_is_away_the_page_says_so_and_the_first_one_back_is_asked(delivery: Delivery) -> None:
    absences = [away(User.objects.get(username=name)) for name in ("bob", "kim", "lee")]
    change = delivery.proposed()
    look(change)
    assert asked(change) == []
    choice = Choice.objects.get(change=change)
    assert choice.short
    (block,) = reviewers_panel(delivery.people.alice, change).blocks
    assert block.nobody
    accounts.end_absence(delivery.people.kim, absence=absences[1])
    Choice.objects.filter(pk=choice.pk).update(made_at=timezone.now() - timedelta(minutes=2))
    assert change.pk in list(jobs.due(10))
    look(change)
    assert asked(change) == ["kim"]


def test_an_absent_person_cannot_be_asked_by_hand(delivery: Delivery) -> None:
    change = delivery.proposed()
    away(delivery.people.kim)
    with pytest.raises(InvalidInput) as refusal:
        services.assign(delivery.people.alice, change=change, user=delivery.people.kim)
    assert refusal.value.code == "away"


def test_not_me_asks_the_next_best_and_never_the_decliner_again(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    look(change)
    before = AuditEntry.objects.count()
    services.decline(people.bob, change=change, reason="I do not know this part")
    assert "I do not know this part" in str(News.objects.get(user=people.alice, change=change).lines)
    assert AuditEntry.objects.count() == before + 1
    look(change)
    assert asked(change) == ["kim"]
    services.decline(people.kim, change=change, reason="nor I")
    look(change)
    services.decline(User.objects.get(username="lee"), change=change, reason="nor I")
    look(change)
    assert asked(change) == [], "nobody is left, and nobody is asked twice"
    assert why_not(change)["bob"] == "said “not me”: I do not know this part"
    with pytest.raises(InvalidInput) as refusal:
        services.assign(people.alice, change=change, user=people.bob)
    assert refusal.value.code == "declined"


def test_not_me_may_name_a_better_person(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    look(change)
    with pytest.raises(InvalidInput) as refusal:
        services.decline(people.bob, change=change, reason="no", better=people.alice)
    assert (refusal.value.code, asked(change)) == ("not_able", ["bob"]), "nothing is half done"
    services.decline(people.bob, change=change, reason="no", better=people.kim)
    look(change)
    assert asked(change) == ["kim"]


def test_two_declines_at_once_are_one_and_a_conflict(delivery: Delivery) -> None:
    change = delivery.proposed()
    look(change)
    stale = ChangeRequest.objects.get(pk=change.pk)
    services.decline(delivery.people.bob, change=change, reason="no")
    with pytest.raises(Conflict):
        services.decline(delivery.people.bob, change=stale, reason="no")
    assert Assignment.objects.filter(change=change, ending="declined").count() == 1


def test_a_swap_needs_a_reason_and_the_right_person(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    look(change)
    with pytest.raises(NotAllowed):
        services.swap(people.kim, change=change, user=people.bob, reason="I want it", to=people.kim)
    with pytest.raises(InvalidInput):
        services.swap(people.alice, change=change, user=people.bob, reason="  ", to=people.kim)
    services.swap(people.alice, change=change, user=people.bob, reason="kim wrote it", to=people.kim)
    look(change)
    assert asked(change) == ["kim"]
    with pytest.raises(Conflict):
        services.swap(people.alice, change=change, user=people.bob, reason="again", to=people.kim)
    assert AuditEntry.objects.filter(action="change.reviewer_swapped").count() == 1


def test_a_reminder_is_possible_once_a_day(delivery: Delivery) -> None:
    people = delivery.people
    change = delivery.proposed()
    look(change)
    with pytest.raises(NotAllowed):
        services.nudge(people.kim, change=change, user=people.bob)
    with pytest.raises(Conflict):
        services.nudge(people.alice, change=change, user=people.kim)
    services.nudge(people.alice, change=change, user=people.bob)
    look(change)
    assert "(reminded by alice)" in Attention.objects.get(change=change, user=people.bob).reason
    with pytest.raises(Conflict) as refusal:
        services.nudge(people.carol, change=change, user=people.bob)
    assert refusal.value.code == "nudged_lately"
    assert "again from" in refusal.value.message
    Assignment.objects.filter(change=change).update(nudged_at=timezone.now() - timedelta(hours=25))
    services.nudge(people.carol, change=change, user=people.bob)
    assert AuditEntry.objects.filter(action="change.reviewer_nudged").count() == 2


def push_again(delivery: Delivery, change: ChangeRequest, files: dict[str, str], author: str) -> None:
    delivery.work.checkout("one")
    delivery.work.commit("more", files=files, author=author)
    pushed(delivery.repository, delivery.work, "one:refs/heads/one")
    from tests.support.delivery import run_jobs

    run_jobs("changes.take_ref_updates")
    change.refresh_from_db()


def test_a_new_revision_releases_who_contributed_and_keeps_who_still_helps(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"app/values.yaml": "replicas: 2\n", "net/lb.yaml": "port: 81\n"})
    services.assign(delivery.people.alice, change=change, user=delivery.people.bob)
    look(change)
    assert asked(change) == ["bob", "kim"]
    push_again(delivery, change, {"app/values.yaml": "replicas: 3\n"}, "Bob <bob@example.org>")
    assert change.revision is not None
    assert change.revision.number == 2
    look(change)
    assert asked(change) == ["kim"]
    released = Assignment.objects.get(change=change, user=delivery.people.bob)
    assert released.ending == "released"
    assert "author of r2" in released.ended_reason
    assert why_not(change)["bob"] == "author of r2"


def begin_with_a_draft(user: User, change: ChangeRequest) -> None:
    services.save_draft(user, change=change, body="Why two", path="app/values.yaml", line=1)


def begin_with_a_mark(user: User, change: ChangeRequest) -> None:
    assert change.revision is not None
    file = files_of(change, change.revision)[0]
    services.mark_viewed(user, change=change, files=[file.id], revision=change.revision.number)


@pytest.mark.parametrize("begin", [None, begin_with_a_draft, begin_with_a_mark])
def test_who_is_not_needed_any_more_is_released_unless_they_have_begun(delivery: Delivery, begin: Any) -> None:
    change = delivery.proposed("one", {"app/values.yaml": "replicas: 2\n"})
    look(change)
    (first,) = asked(change)
    if begin is not None:
        begin(User.objects.get(username=first), change)
    other = "kim" if first != "kim" else "bob"
    services.assign(delivery.people.alice, change=change, user=User.objects.get(username=other))
    push_again(delivery, change, {"app/values.yaml": "replicas: 3\n"}, "Alice <alice@example.org>")
    look(change)
    assert set(asked(change)) == ({other} if begin is None else {first, other})


def test_moves_go_from_the_busiest_to_the_least_busy_and_end() -> None:
    rows = [Request(number, f"t{number}", "bob", 1, ("kim", "lee")) for number in range(1, 7)]
    moves = plan_moves(rows, {"bob": 6, "kim": 1, "lee": 0})
    assert [(move.number, move.to) for move in moves] == [(6, "lee"), (5, "kim"), (4, "lee")]
    assert moves[0].why == "6 open reviews, @lee has 0"
    assert plan_moves(rows, {"bob": 1, "kim": 0}) == ()


def test_rebalancing_does_what_was_shown_and_nothing_else(delivery: Delivery) -> None:
    people = delivery.people
    for name in ("kim", "lee"):
        away(User.objects.get(username=name))
    changes = [delivery.proposed(f"c{number}", {f"app/{number}.yaml": "a: 1\n"}) for number in range(4)]
    look(*changes)
    assert all(asked(change) == ["bob"] for change in changes)
    for absence in User.objects.get(username="kim").absences.all():
        accounts.end_absence(people.kim, absence=absence)
    look(*changes)
    plan = rebalancing_plan(delivery.repository)
    assert {(move.name, move.to) for move in plan} == {("bob", "kim")}
    assert len(plan) == 2
    with pytest.raises(NotAllowed):
        services.rebalance(people.bob, repository=delivery.repository, moves=[plan[0].key])
    with pytest.raises(InvalidInput):
        services.rebalance(people.carol, repository=delivery.repository, moves=[])
    services.rebalance(people.carol, repository=delivery.repository, moves=[plan[0].key])
    entry = AuditEntry.objects.get(action="repository.reviews_rebalanced")
    assert len(entry.data["moves"]) == 1
    with pytest.raises(Conflict) as refusal:
        services.rebalance(people.carol, repository=delivery.repository, moves=[plan[0].key])
    assert refusal.value.code == "plan_moved"
    look(*changes)
    assert sorted(name for change in changes for name in asked(change)) == ["bob", "bob", "bob", "kim"]
