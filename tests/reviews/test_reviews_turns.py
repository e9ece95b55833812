"""Turns on real changes: hand over, snooze, claim, settle; what pushes and time do to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes import services as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services as deployments
from apps.repositories.models import RepositoryRole
from apps.reviews import queue, services
from apps.reviews.models import Assignment, Attention, Call, Opening
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.people import team
from tests.support.repositories import pushed

REFRESH = "reviews.refresh_reviewers"


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    portal = pipeline().replace("[role/reviewer]", "[code-owners]")
    return Delivery.start(tmp_path, portal, {"CODEOWNERS": "*  @bob @kim\n/net/  @kim\n", "net/lb.yaml": "port: 80\n"})


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present of all modules that matter here: change ``moment[0]``."""
    at = [datetime(2026, 11, 27, 22, 30, tzinfo=UTC)]
    for module in (
        "services.turns",
        "queue",
        "jobs.upkeep",
        "transitions.turns",
        "transitions.news",
        "transitions.calls",
    ):
        monkeypatch.setattr(f"apps.reviews.{module}.now", lambda: at[0])
    return at


def turns(change: ChangeRequest) -> dict[str, str]:
    rows = Attention.objects.filter(change=change).select_related("user")
    return {row.user.username: row.kind for row in rows}


def waiting(user: User, key: str = "attention") -> list[int]:
    return [row.change.number for row in queue.section(user, key).rows]


def push(delivery: Delivery, change: ChangeRequest, text: str) -> None:
    delivery.work.run("checkout", "-q", change.source_branch)
    delivery.work.commit("again", files={"net/lb.yaml": text}, author="Alice <alice@example.org>")
    pushed(delivery.repository, delivery.work, f"{change.source_branch}:refs/heads/{change.source_branch}", force=True)
    run_jobs("changes.take_ref_updates")
    change.refresh_from_db()
    run_jobs(REFRESH)


def net_change(delivery: Delivery, name: str = "one") -> ChangeRequest:
    change = delivery.proposed(name, {"net/lb.yaml": f"port: 81 # {name}\n"})
    run_jobs(REFRESH)
    return change


def test_only_the_reviewer_whose_approval_was_lost_comes_back_after_a_push(delivery: Delivery) -> None:
    change = net_change(delivery)
    services.submit_review(delivery.people.kim, change=change, revision=1, verdict="approve")
    run_jobs(REFRESH)
    assert turns(change) == {"alice": "ready"}
    push(delivery, change, "port: 82\n")
    row = Attention.objects.get(change=change)
    assert (row.user.username, row.kind) == ("kim", "lost")
    assert row.reason.startswith("Your approval of r1 no longer counts: r2 changed the source")


def test_handing_over_moves_turn_and_request_to_who_can_review(delivery: Delivery) -> None:
    change = delivery.proposed()
    run_jobs(REFRESH)
    giver = Attention.objects.get(change=change).user
    taker = delivery.people.kim if giver == delivery.people.bob else delivery.people.bob
    services.hand_over(giver, change=change, user=taker, note="you know the charts")
    expected = f"Handed over by @{giver.username}: you know the charts"
    assert list(Attention.objects.values_list("user__username", "kind", "reason")) == [
        (taker.username, "handed", expected)
    ]
    run_jobs(REFRESH)
    assert turns(change) == {taker.username: "handed"}, "the job agrees"
    assert list(Assignment.objects.filter(ended_at=None).values_list("user__username", flat=True)) == [taker.username]
    services.submit_review(taker, change=change, revision=1, verdict="approve")
    run_jobs(REFRESH)
    assert turns(change) == {"alice": "ready"}


def test_who_hands_over_to_the_author_is_asked_again_when_the_author_has_answered(delivery: Delivery) -> None:
    change = net_change(delivery)
    services.hand_over(delivery.people.kim, change=change, user=delivery.people.alice, note="which port is free?")
    run_jobs(REFRESH)
    assert turns(change) == {"alice": "handed"}
    services.settle_turn(delivery.people.alice, change=change)
    run_jobs(REFRESH)
    assert turns(change) == {"kim": "review"}


def test_handing_over_is_refused_where_it_makes_no_sense(delivery: Delivery) -> None:
    change, people = net_change(delivery), delivery.people
    for name, code in (("kim", "own_turn"), ("mallory", "not_able"), ("dave", "not_able")):
        with pytest.raises(InvalidInput) as refusal:
            services.hand_over(people.kim, change=change, user=getattr(people, name))
        assert refusal.value.code == code, name
    with pytest.raises(NotAllowed):
        services.hand_over(people.dave, change=change, user=people.bob)
    with pytest.raises(Conflict) as again:
        services.hand_over(people.bob, change=change, user=people.kim)
    assert again.value.code == "already_their_turn"
    changes.back_to_draft(people.alice, change=change)
    with pytest.raises(Conflict) as state:
        services.hand_over(people.kim, change=change, user=people.bob)
    assert state.value.code == "wrong_state"
    assert Call.objects.count() == 0
    assert not AuditEntry.objects.filter(action="attention.handed_over").exists()


def test_a_draft_and_a_withdrawn_change_wait_for_nobody(delivery: Delivery) -> None:
    change = net_change(delivery)
    services.hand_over(delivery.people.kim, change=change, user=delivery.people.bob)
    changes.back_to_draft(delivery.people.alice, change=change)
    run_jobs(REFRESH)
    assert turns(change) == {}
    changes.mark_ready(delivery.people.alice, change=change)
    run_jobs(REFRESH)
    assert "handed" not in turns(change).values(), "an old hand-over does not come back"
    changes.withdraw(delivery.people.alice, change=change, reason="no")
    run_jobs(REFRESH)
    assert turns(change) == {}


@pytest.mark.parametrize(
    ("zone", "wakes"),
    [
        ("UTC", datetime(2026, 11, 28, 9, 0, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 11, 28, 8, 0, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2026, 11, 29, 0, 0, tzinfo=UTC)),  # there it is the 28th already
    ],
)
def test_tomorrow_is_nine_o_clock_where_the_person_is(
    delivery: Delivery, moment: list[datetime], zone: str, wakes: datetime
) -> None:
    row = services.snooze(delivery.people.kim, change=net_change(delivery), until="tomorrow", zone=zone)
    assert row.snoozed_until == wakes


def test_a_snooze_hides_the_change_keeps_it_reachable_and_ends_by_itself(
    delivery: Delivery, moment: list[datetime]
) -> None:
    kim = delivery.people.kim
    first, second = net_change(delivery, "one"), net_change(delivery, "two")
    services.snooze(kim, change=second, until="1h")
    assert (waiting(kim), waiting(kim, "snoozed"), queue.attention_count(kim)) == ([first.number], [second.number], 1)
    moment[0] += timedelta(minutes=61)
    assert waiting(kim) == [second.number, first.number], "it is back, at the top, without any job"
    assert run_jobs("reviews.end_snoozes") == 1
    assert run_jobs("reviews.end_snoozes") == 0
    row = queue.section(kim, "attention").rows[0]
    assert row.turn is not None
    assert row.turn.woke(moment[0], 1)


def test_a_snooze_until_a_new_revision_ends_with_it(delivery: Delivery) -> None:
    kim, change = delivery.people.kim, net_change(delivery)
    services.snooze(kim, change=change, until="revision")
    assert waiting(kim) == []
    push(delivery, change, "port: 82\n")
    assert waiting(kim) == [change.number]


def test_only_ones_own_turn_is_snoozed(delivery: Delivery) -> None:
    change, people = net_change(delivery), delivery.people
    for person in (people.bob, people.alice, people.dave):
        with pytest.raises(Conflict) as refusal:
            services.snooze(person, change=change, until="1h")
        assert refusal.value.code == "not_your_turn"
    for until, zone, code in (("never", "UTC", "bad_until"), ("tomorrow", "../../etc/passwd", "bad_zone")):
        with pytest.raises(InvalidInput) as mistake:
            services.snooze(people.kim, change=change, until=until, zone=zone)
        assert mistake.value.code == code
    with pytest.raises(Conflict) as awake:
        services.unsnooze(people.kim, change=change)
    assert awake.value.code == "not_snoozed"


def test_what_the_change_waits_for_cannot_be_settled_by_a_click(delivery: Delivery) -> None:
    change = net_change(delivery)
    with pytest.raises(Conflict) as refusal:
        services.settle_turn(delivery.people.kim, change=change)
    assert refusal.value.code == "still_waits"
    assert turns(change) == {"kim": "review"}


def test_an_answer_in_a_thread_is_the_turn_of_who_opened_it(delivery: Delivery) -> None:
    change, people = net_change(delivery), delivery.people
    thread = services.open_thread(people.bob, change=change, body="Why 81?", path="net/lb.yaml", line=1)
    services.reply(people.alice, thread=thread, body="80 is taken.")
    run_jobs(REFRESH)
    row = Attention.objects.get(change=change, user=people.bob)
    assert (row.kind, "80 is taken." in row.reason, "net/lb.yaml:1" in row.reason) == ("answered", True, True)
    services.resolve_thread(people.bob, thread=thread)
    run_jobs(REFRESH)
    assert turns(change) == {"kim": "review"}


def test_a_reviewer_who_only_comments_waits_for_the_author(delivery: Delivery) -> None:
    change, people = net_change(delivery), delivery.people
    services.submit_review(people.kim, change=change, revision=1, verdict="comment", body="Is 81 free everywhere?")
    run_jobs(REFRESH)
    assert turns(change) == {"alice": "answered"}
    push(delivery, change, "port: 82\n")
    assert turns(change) == {"kim": "review"}


def test_nobody_for_a_day_calls_the_author_back(delivery: Delivery, moment: list[datetime]) -> None:
    change, people = net_change(delivery), delivery.people
    RepositoryRole.objects.filter(user__in=[people.kim, people.bob, people.carol]).delete()
    change.verdict_snapshot.stale = True
    change.verdict_snapshot.save()
    run_jobs(REFRESH)
    assert turns(change) == {}, "who lost their role is out"
    moment[0] += timedelta(hours=23, minutes=59)
    assert run_jobs("reviews.call_authors_back") == 0
    moment[0] += timedelta(minutes=2)
    assert run_jobs("reviews.call_authors_back") == 1
    run_jobs(REFRESH)
    assert turns(change) == {"alice": "quiet"}
    assert run_jobs("reviews.call_authors_back") == 0


def test_a_failed_deployment_calls_author_and_deployer_until_it_is_made_good(tmp_path: Path, db: None) -> None:
    delivery = Delivery.start(tmp_path, pipeline(staging="test ! -e broken"), {})
    change = delivery.merged("broken", {"broken": "yes\n"})
    run_until_idle()
    assert turns(change) == {"alice": "failed", "carol": "failed"}, "alice started it, but deploying is carol's"
    assert "staging failed" in Attention.objects.filter(change=change)[0].reason
    assert waiting(delivery.people.alice) == [change.number]
    failed = delivery.deployment(change)
    deployments.retry(delivery.people.alice, deployment=failed)
    run_jobs(REFRESH)
    assert turns(change) == {}, "it runs again, so there is nothing to look at"


GROUP = "  - {name: network, needs: {approvals: 1, from: [team/network], ask: group}}\n"


@pytest.fixture
def grouped(tmp_path: Path, db: None) -> Delivery:
    rules = pipeline().split("rules:\n")[0] + "rules:\n" + GROUP
    started = Delivery.start(tmp_path, rules, {})
    team("network", started.people.kim, started.people.bob)
    return started


def test_a_rule_that_asks_the_group_asks_nobody_and_one_of_them_claims(grouped: Delivery) -> None:
    change, people = grouped.proposed(), grouped.people
    run_jobs(REFRESH)
    assert turns(change) == {}
    assert (waiting(people.kim, "unclaimed"), waiting(people.bob, "unclaimed")) == ([change.number], [change.number])
    services.claim(people.kim, change=change)
    assert turns(change) == {"kim": "review"}
    assert waiting(people.bob, "unclaimed") == []
    with pytest.raises(Conflict) as late:
        services.claim(people.bob, change=change)
    assert late.value.code == "already_claimed"
    assert "kim" in late.value.message
    run_jobs(REFRESH)
    assert turns(change) == {"kim": "review"}, "the job agrees"
    services.release_claim(people.kim, change=change)
    run_jobs(REFRESH)
    assert waiting(people.bob, "unclaimed") == [change.number]
    with pytest.raises(Conflict):
        services.release_claim(people.kim, change=change)


def test_who_is_not_in_the_group_cannot_claim(grouped: Delivery) -> None:
    change, people = grouped.proposed(), grouped.people
    run_jobs(REFRESH)
    with pytest.raises(Conflict) as refusal:
        services.claim(people.carol, change=change)
    assert refusal.value.code == "nothing_to_claim"
    for person in (people.alice, people.dave):
        with pytest.raises(NotAllowed):
            services.claim(person, change=change)
    assert Opening.objects.count() == 2
    assert Assignment.objects.count() == 0


def test_of_two_claims_of_stale_pages_one_wins(grouped: Delivery) -> None:
    change, people = grouped.proposed(), grouped.people
    run_jobs(REFRESH)
    stale = ChangeRequest.objects.get(pk=change.pk)
    services.claim(people.bob, change=change)
    with pytest.raises(Conflict):
        services.claim(people.kim, change=stale)
    with pytest.raises(Conflict):
        services.claim(people.bob, change=stale)
    assert Assignment.objects.filter(ended_at=None).count() == 1


def test_roll_backs_stand_above_what_has_waited_longer(delivery: Delivery) -> None:
    first, second = net_change(delivery, "one"), net_change(delivery, "two")
    ChangeRequest.objects.filter(pk=second.pk).update(kind="rollback")
    assert waiting(delivery.people.kim) == [second.number, first.number]


def test_every_move_of_a_turn_is_one_audit_entry(grouped: Delivery) -> None:
    change, people = grouped.proposed(), grouped.people
    run_jobs(REFRESH)
    before = AuditEntry.objects.count()
    services.claim(people.kim, change=change)
    services.snooze(people.kim, change=change, until="1h")
    services.unsnooze(people.kim, change=change)
    services.hand_over(people.kim, change=change, user=people.alice, note="a question")
    services.settle_turn(people.alice, change=change)
    services.release_claim(people.kim, change=change)
    entries = AuditEntry.objects.order_by("seq")[before:]
    assert [entry.action.removeprefix("attention.") for entry in entries] == [
        "claimed", "snoozed", "unsnoozed", "handed_over", "settled", "released",
    ]  # fmt: skip
