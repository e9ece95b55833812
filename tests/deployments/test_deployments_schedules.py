"""Merges and deployments at a time that somebody chose: judged when it has come, and given up with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.services import mark_ready, reopen, retarget, withdraw
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services
from apps.deployments.models import MergeSchedule
from apps.repositories.services import remove_member, synchronise
from apps.reviews.models import News
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
CLOCKS = ("apps.deployments.jobs.scheduled.now", "apps.deployments.queries.waits.now")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def later(hours: float = 2) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def at_clock(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let the jobs believe that so many hours went by."""
    moment = datetime.now(UTC) + timedelta(hours=hours)
    for name in CLOCKS:
        monkeypatch.setattr(name, lambda: moment)


def test_a_scheduled_merge_happens_at_its_time_and_not_before(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.approved()
    row = services.schedule_merge(delivery.people.alice, change=change, at=later())
    assert row.until - row.at == timedelta(hours=1)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "in_review"
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    change.refresh_from_db()
    row.refresh_from_db()
    assert (change.status, row.outcome) == ("done", "merged")
    assert [entry.action for entry in AuditEntry.objects.filter(action__startswith="merge.")] == ["merge.scheduled"]


def test_it_is_judged_when_its_time_has_come_and_tried_until_its_patience_ends(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.proposed()
    row = services.schedule_merge(delivery.people.alice, change=change, at=later(), until=later(4))
    at_clock(monkeypatch, 2.1)
    run_jobs("deployments.merge_scheduled")
    change.refresh_from_db()
    row.refresh_from_db()
    assert (change.status, row.outcome) == ("in_review", "")
    delivery.approve(change)
    at_clock(monkeypatch, 2.5)
    run_jobs("deployments.merge_scheduled")
    row.refresh_from_db()
    assert row.outcome == "", "it has begun, and nothing has arrived"
    run_jobs("deployments.carry_out_merges", "deployments.merge_scheduled")
    row.refresh_from_db()
    assert row.outcome == "merged"


def test_a_merge_that_is_not_allowed_in_time_is_given_up_and_told(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.proposed()
    row = services.schedule_merge(delivery.people.carol, change=change, at=later())
    at_clock(monkeypatch, 3.5)
    run_jobs("deployments.merge_scheduled")
    row.refresh_from_db()
    assert row.outcome == "lapsed"
    assert row.reason
    delivery.approve(change)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "in_review"
    assert "scheduled merge did not happen" in str(News.objects.get(user=delivery.people.carol, change=change).lines)


def test_a_push_after_scheduling_ends_it(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    change = delivery.approved()
    services.schedule_merge(delivery.people.alice, change=change, at=later())
    delivery.work.run("checkout", "-q", "one")
    delivery.work.commit("More", files={"app/values.yaml": "replicas: 5\n"}, author="Alice <alice@example.org>")
    delivery.work.push("one")
    synchronise(delivery.repository.pk)
    run_jobs("changes.take_ref_updates")
    delivery.approve(change)
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "in_review"
    assert MergeSchedule.objects.get().outcome == "lapsed"


def test_a_moved_target_branch_does_not_end_it(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    change = delivery.approved()
    services.schedule_merge(delivery.people.alice, change=change, at=later())
    delivery.merged("two", {"docs/other.md": "x\n"})
    run_until_idle()
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"


def test_of_two_merges_at_the_same_time_the_slower_one_is_tried_again(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = delivery.approved("one"), delivery.approved("two", {"docs/other.md": "x\n"})
    for change in (one, two):
        services.schedule_merge(delivery.people.alice, change=change, at=later())
    at_clock(monkeypatch, 2.1)
    run_jobs("deployments.merge_scheduled")
    run_jobs("deployments.carry_out_merges")
    two.refresh_from_db()
    assert (two.status, two.merge_intents.get().outcome["code"]) == ("in_review", "target_moved")
    for _ in range(2):
        run_jobs("repositories.sync", "changes.take_ref_updates", "deployments.merge_scheduled")
        run_jobs("deployments.carry_out_merges", "deployments.merge_scheduled")
    two.refresh_from_db()
    assert two.status == "merged"
    assert [row.outcome for row in MergeSchedule.objects.all()] == ["merged", "merged"]


def begun(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> tuple[ChangeRequest, MergeSchedule]:
    """A scheduled merge whose time has come, and that was not pushed yet."""
    change = delivery.approved()
    row = services.schedule_merge(delivery.people.carol, change=change, at=later())
    at_clock(monkeypatch, 2.1)
    run_jobs("deployments.merge_scheduled")
    change.refresh_from_db()
    assert change.status == "merging"
    return change, row


def is_told(delivery: Delivery, change: ChangeRequest) -> bool:
    return "scheduled merge did not happen" in str(News.objects.get(user=delivery.people.carol, change=change).lines)


def test_a_merge_that_stays_too_slow_until_its_patience_ends_is_told(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, row = begun(delivery, monkeypatch)
    delivery.work.run("checkout", "-q", "main")
    delivery.work.commit("Faster", files={"docs/other.md": "x\n"})
    delivery.work.push("main")
    run_jobs("deployments.carry_out_merges")
    at_clock(monkeypatch, 3.5)
    run_jobs("deployments.merge_scheduled")
    row.refresh_from_db()
    assert (row.outcome, row.reason) == ("lapsed", "main moved before the merge arrived.")
    assert is_told(delivery, change)


def test_a_merge_that_was_begun_and_aborted_is_told(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    change, row = begun(delivery, monkeypatch)
    services.abort_merge(delivery.people.alice, change=change)
    run_jobs("deployments.merge_scheduled")
    row.refresh_from_db()
    change.refresh_from_db()
    assert (change.status, row.outcome, row.reason) == ("in_review", "lapsed", "alice aborted it before it was pushed.")
    assert is_told(delivery, change)


def test_who_may_not_merge_any_more_merges_nothing_later(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    change = delivery.approved()
    services.schedule_merge(delivery.people.alice, change=change, at=later())
    remove_member(delivery.people.carol, repository=delivery.repository, member="alice")
    at_clock(monkeypatch, 2.1)
    run_jobs("deployments.merge_scheduled")
    change.refresh_from_db()
    assert change.status == "in_review"
    assert MergeSchedule.objects.get().outcome == "lapsed"


def test_a_merge_by_hand_comes_before_the_schedule(delivery: Delivery) -> None:
    change = delivery.approved()
    services.schedule_merge(delivery.people.alice, change=change, at=later())
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    assert MergeSchedule.objects.get().outcome == "overtaken"


def test_a_second_schedule_replaces_the_first_and_can_be_taken_back(delivery: Delivery) -> None:
    change = delivery.approved()
    services.schedule_merge(delivery.people.alice, change=change, at=later())
    services.schedule_merge(delivery.people.carol, change=change, at=later(5))
    services.unschedule_merge(delivery.people.alice, change=change)
    assert [row.outcome for row in MergeSchedule.objects.order_by("pk")] == ["replaced", "cancelled"]
    with pytest.raises(Conflict, match="scheduled any more"):
        services.unschedule_merge(delivery.people.alice, change=change)


@pytest.mark.parametrize("hours", [-1, 0, 24 * 91])
def test_a_time_that_is_past_or_too_far_is_refused(delivery: Delivery, hours: float) -> None:
    change = delivery.approved()
    with pytest.raises(InvalidInput, match="still to come"):
        services.schedule_merge(delivery.people.alice, change=change, at=later(hours))
    with pytest.raises(InvalidInput, match="7 days"):
        services.schedule_merge(delivery.people.alice, change=change, at=later(), until=later(1))
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(InvalidInput, match="still to come"):
            services.schedule_merge(delivery.people.alice, change=change, at=at)
    assert not MergeSchedule.objects.exists()


def test_people_who_may_not_merge_schedule_nothing(delivery: Delivery) -> None:
    change = delivery.approved()
    with pytest.raises(NotAllowed, match="There is no such"):
        services.schedule_merge(delivery.people.mallory, change=change, at=later())
    with pytest.raises(NotAllowed):
        services.schedule_merge(delivery.people.bob, change=change, at=later())
    change = delivery.merged("two", {"docs/x.md": "x\n"})
    run_until_idle()
    with pytest.raises(Conflict, match="only a change in review"):
        services.schedule_merge(delivery.people.alice, change=change, at=later())


def test_a_scheduled_deployment_waits_for_its_time_and_starts_by_itself(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = delivery.merged()
    row = delivery.deployment(change)
    services.schedule_deployment(delivery.people.alice, deployment=row, at=later())
    run_until_idle()
    row.refresh_from_db()
    assert [wait["code"] for wait in row.waits] == ["schedule"]
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_a_schedule_that_is_taken_back_leaves_the_start_to_a_person(delivery: Delivery) -> None:
    change = delivery.merged()
    row = delivery.deployment(change)
    services.schedule_deployment(delivery.people.alice, deployment=row, at=later())
    services.schedule_deployment(delivery.people.alice, deployment=row, at=None)
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, [wait["code"] for wait in row.waits]) == ("pending", ["manual"])
    with pytest.raises(Conflict, match="not scheduled"):
        services.schedule_deployment(delivery.people.alice, deployment=row, at=None)
    services.release(delivery.people.alice, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    with pytest.raises(Conflict, match="only what has not started"):
        services.schedule_deployment(delivery.people.alice, deployment=row, at=later())


def test_a_window_that_is_closed_at_the_time_holds_a_scheduled_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = datetime.now(UTC) + timedelta(hours=9)
    freeze = f"windows: [{{name: fair, kind: freeze, from: 2026-01-01T00:00Z, to: {end.isoformat()}}}]\n"
    delivery = Delivery.start(tmp_path, pipeline("true", "true") + freeze)
    row = delivery.deployment(delivery.merged())
    services.schedule_deployment(delivery.people.alice, deployment=row, at=later())
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    row.refresh_from_db()
    assert [wait["code"] for wait in row.waits] == ["freeze"]


def test_a_retargeted_or_reopened_change_is_not_what_was_scheduled(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.work.run("push", "-q", "origin", "main:refs/heads/other")
    synchronise(delivery.repository.pk)
    one, two = delivery.proposed("one"), delivery.proposed("two", {"b.yaml": "b: 1\n"})
    for change in (one, two):
        services.schedule_merge(delivery.people.carol, change=change, at=later())
    retarget(delivery.people.alice, change=one, target_branch="other")
    withdraw(delivery.people.alice, change=two)
    reopen(delivery.people.alice, change=two)
    mark_ready(delivery.people.alice, change=two)
    for change in (one, two):
        delivery.approve(change)
    at_clock(monkeypatch, 2.1)
    run_jobs("deployments.merge_scheduled")
    assert [row.outcome for row in MergeSchedule.objects.all()] == ["lapsed", "lapsed"]
    one.refresh_from_db()
    assert one.status == "in_review"


def test_a_deployment_whose_scheduler_left_waits_for_somebody_else(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    services.schedule_deployment(delivery.people.alice, deployment=row, at=later())
    remove_member(delivery.people.carol, repository=delivery.repository, member="alice")
    at_clock(monkeypatch, 2.1)
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, [wait["code"] for wait in row.waits]) == ("pending", ["manual"])
    assert "may not deploy here any more" in str(list(row.events.values_list("text", flat=True)))


def test_strangers_and_reviewers_schedule_no_deployment(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    with pytest.raises(NotAllowed, match="There is no such"):
        services.schedule_deployment(delivery.people.mallory, deployment=row, at=later())
    with pytest.raises(NotAllowed):
        services.schedule_deployment(delivery.people.bob, deployment=row, at=later())
