"""Whose turn it is in an environment: locks of people, newer deployments that replace queued ones, time to soak."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services
from apps.deployments.models import Deployment, Environment, EnvironmentLock
from apps.deployments.queries.coming import coming_with
from apps.deployments.queries.locks import lock_of
from apps.deployments.queries.promotion import promoted_at
from apps.presentation.deployment_page import actions_of
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


def judged(row: Deployment) -> list[str]:
    """The codes of what holds it after one look."""
    Deployment.objects.filter(pk=row.pk, status="pending").update(check_at=None)
    run_jobs("deployments.start")
    row.refresh_from_db()
    return [wait["code"] for wait in row.waits] if row.status == "pending" else [row.status]


def test_a_lock_lets_only_the_deployments_of_its_holder_start(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    assert judged(row) == ["locked"]
    assert "Carol" in row.waits[0]["text"]
    assert "a migration" in row.waits[0]["text"]
    Deployment.objects.filter(pk=row.pk).update(manual_start=True)
    services.release(delivery.people.carol, deployment=row)
    assert judged(row) == ["dispatching"]


def test_a_lock_asks_who_acts_and_not_who_was_the_first(delivery: Delivery) -> None:
    delivery.repository.roles.filter(user=delivery.people.kim).update(role="deployer")
    carol, kim = delivery.people.carol, delivery.people.kim
    row = delivery.deployment(delivery.merged())
    services.cancel(carol, deployment=row)
    row = services.start_deployment(carol, change=row.change, environment="staging")
    services.lock_environment(carol, environment=row.environment, reason="a migration")
    for actor, found in ((kim, "locked"), (carol, "dispatching")):
        Deployment.objects.filter(pk=row.pk).update(status="failed", attempts=1, ended_at=now())
        services.retry(actor, deployment=row)
        assert judged(row) == [found]


@pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
def test_nothing_is_started_where_portal_yaml_has_no_such_environment_any_more(delivery: Delivery, status: str) -> None:
    row = delivery.deployment(delivery.merged())
    Environment.objects.filter(pk=row.environment_id).update(defined=False)
    Deployment.objects.filter(pk=row.pk).update(status=status, manual_start=True)
    act = services.release if status == "pending" else services.retry
    with pytest.raises(Conflict, match="defines no environment staging any more"):
        act(delivery.people.carol, deployment=row)
    row = Deployment.objects.get(pk=row.pk)
    assert (row.status, row.manual_start) == (status, True)
    actions = actions_of(delivery.people.carol, row)
    assert not (actions.start or actions.retry or actions.retry_only_failed)


def test_a_lock_that_expired_holds_nothing(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    EnvironmentLock.objects.update(until=now() - timedelta(seconds=1))
    assert judged(row) == ["dispatching"]
    other = services.lock_environment(delivery.people.carol, environment=row.environment, reason="again")
    assert lock_of(row.environment) == other


def test_a_roll_back_starts_under_the_lock_of_somebody_else(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    Deployment.objects.filter(pk=row.pk).update(kind="rollback")
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    assert judged(row) == ["dispatching"]


def test_unlocking_lets_the_others_start(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    assert judged(row) == ["locked"]
    services.unlock_environment(delivery.people.carol, environment=row.environment)
    assert judged(row) == ["dispatching"]


def test_a_lock_is_taken_over_by_name_and_only_as_it_was_seen(delivery: Delivery) -> None:
    delivery.repository.roles.filter(user=delivery.people.kim).update(role="deployer")
    environment = delivery.deployment(delivery.merged()).environment
    first = services.lock_environment(delivery.people.carol, environment=environment, reason="a migration")
    with pytest.raises(Conflict, match="locked by Carol"):
        services.lock_environment(delivery.people.kim, environment=environment, reason="urgent")
    taken = services.take_over_lock(delivery.people.kim, environment=environment, lock=first.pk, reason="urgent")
    assert lock_of(environment) == taken
    with pytest.raises(Conflict, match="not locked as it was"):
        services.take_over_lock(delivery.people.carol, environment=environment, lock=first.pk, reason="mine")
    entry = AuditEntry.objects.get(action="environment.lock_taken_over")
    assert "carol" in entry.summary
    assert entry.data["reason"] == "urgent"


@pytest.mark.parametrize("act", ["prolong", "unlock"])
def test_a_lock_that_was_taken_over_in_the_same_moment_is_not_ended(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    delivery.repository.roles.filter(user=delivery.people.kim).update(role="deployer")
    carol, kim = delivery.people.carol, delivery.people.kim
    environment = delivery.deployment(delivery.merged()).environment
    seen = services.lock_environment(carol, environment=environment, reason="a migration")
    taken = services.take_over_lock(kim, environment=environment, lock=seen.pk, reason="urgent")
    monkeypatch.setattr("apps.deployments.services.locking.lock_of", lambda _: seen)  # as carol's request has read it
    with pytest.raises(Conflict, match="not locked as it was"):
        if act == "prolong":
            services.lock_environment(carol, environment=environment, reason="longer")
        else:
            services.unlock_environment(carol, environment=environment)
    assert lock_of(environment) == taken


@pytest.mark.parametrize("who", ["alice", "bob", "dave", "mallory"])
def test_who_may_not_deploy_may_not_lock_nor_unlock(delivery: Delivery, who: str) -> None:
    environment = delivery.deployment(delivery.merged()).environment
    user = getattr(delivery.people, who)
    with pytest.raises(NotAllowed):
        services.lock_environment(user, environment=environment, reason="no")
    held = services.lock_environment(delivery.people.carol, environment=environment, reason="yes")
    for act in (
        lambda: services.unlock_environment(user, environment=environment),
        lambda: services.take_over_lock(user, environment=environment, lock=held.pk, reason="no"),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert lock_of(environment) == held


@pytest.mark.parametrize(
    ("reason", "hours", "field"), [("", 1, "reason"), ("x" * 301, 1, "reason"), ("x", -1, "until"), ("x", 200, "until")]
)
def test_a_lock_has_a_reason_and_an_end(delivery: Delivery, reason: str, hours: int, field: str) -> None:
    environment = delivery.deployment(delivery.merged()).environment
    with pytest.raises(InvalidInput) as caught:
        services.lock_environment(
            delivery.people.carol, environment=environment, reason=reason, until=now() + timedelta(hours=hours)
        )
    assert field in caught.value.details["fields"]


def newest_queue(tmp_path: Path, queue: str) -> Delivery:
    return Delivery.start(tmp_path, pipeline().replace("  staging:\n", f"  staging:\n    queue: {queue}\n"))


def two_behind_a_lock(delivery: Delivery) -> tuple[Deployment, Deployment]:
    first = delivery.deployment(delivery.merged("one"))
    services.lock_environment(delivery.people.carol, environment=first.environment, reason="wait")
    second = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    judged(first)
    judged(second)
    return first, second


def test_with_newest_a_newer_deployment_that_contains_an_older_one_runs_instead(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "newest")
    first, second = two_behind_a_lock(delivery)
    Deployment.objects.filter(pk=second.pk).update(status="running", waits=[])
    EnvironmentLock.objects.all().delete()
    assert judged(first) == ["superseded", "lock"] or judged(first) == ["superseded"]
    assert second.label in first.waits[0]["text"]


def test_with_newest_only_the_newest_of_a_queue_runs_and_every_change_is_done(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "newest")
    first, second = two_behind_a_lock(delivery)
    third = delivery.deployment(delivery.merged("three", {"app/three.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk=first.pk).update(status="running")  # it holds the environment
    EnvironmentLock.objects.all().delete()
    assert judged(second) == ["lock"]
    assert judged(third) == ["lock"]
    assert judged(second)[0] == "superseded"
    Deployment.objects.filter(pk=first.pk).update(status="failed", ended_at=now())
    assert judged(second) == ["superseded"]
    assert judged(third) == ["dispatching"]
    run_until_idle()
    for row in (second, third):
        row.refresh_from_db()
        assert row.status == "succeeded"
    assert third.attempt_rows.get().steps.count() == 1
    second.environment.refresh_from_db()
    assert second.environment.live_deployment == third


def three_behind_a_lock(delivery: Delivery) -> list[Deployment]:
    first, second = two_behind_a_lock(delivery)
    third = delivery.deployment(delivery.merged("three", {"app/three.yaml": "a: 1\n"}))
    assert judged(third) == ["locked"]
    return [first, second, third]


def test_with_newest_only_the_newest_runs_where_one_lock_held_all_of_them(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "newest")
    rows = three_behind_a_lock(delivery)
    EnvironmentLock.objects.all().delete()
    assert [judged(row) for row in rows] == [["superseded"], ["superseded"], ["dispatching"]]
    assert rows[2].label in rows[0].waits[0]["text"]


def test_what_is_still_held_when_the_lock_ends_replaces_nothing(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "newest")
    rows = three_behind_a_lock(delivery)
    EnvironmentLock.objects.all().delete()
    Deployment.objects.filter(pk=rows[2].pk).update(manual_start=True)  # nobody has looked since
    assert judged(rows[0]) == ["superseded"]
    assert rows[1].label in rows[0].waits[0]["text"], "the newest of those that are free"


def test_with_all_each_deployment_of_a_queue_runs_in_its_turn(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "all")
    first, second = two_behind_a_lock(delivery)
    services.unlock_environment(delivery.people.carol, environment=first.environment)
    assert judged(first) == ["dispatching"]
    assert judged(second) == ["lock"]


def test_a_newer_deployment_that_is_held_replaces_nothing(tmp_path: Path) -> None:
    delivery = newest_queue(tmp_path, "newest")
    first, second = two_behind_a_lock(delivery)
    EnvironmentLock.objects.all().delete()
    Deployment.objects.filter(pk=second.pk).update(manual_start=True)
    judged(second)
    assert judged(first) == ["dispatching"]


def soaking(tmp_path: Path) -> tuple[Delivery, Deployment]:
    delivery = Delivery.start(tmp_path, pipeline().replace("after: [staging]\n", "after: [staging]\n    soak: 30m\n"))
    change = delivery.merged()
    run_until_idle()
    return delivery, delivery.deployment(change, "production")


def test_what_was_just_promoted_soaks_first_and_then_goes_on(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    assert judged(row) == ["soak"]
    assert "stands in staging until" in row.waits[0]["text"]
    Deployment.objects.filter(environment__name="staging").update(ended_at=now() - timedelta(minutes=31))
    assert judged(row) == ["dispatching"]
    assert delivery.repository is not None


def test_a_failure_in_the_environment_before_stops_the_promotion_while_it_soaks(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    Deployment.objects.filter(environment__name="staging").update(ended_at=now() - timedelta(minutes=31))
    other = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk=other.pk).update(status="failed", attempts=1, ended_at=now())
    assert judged(row) == ["soak"]
    assert "did not succeed" in row.waits[0]["text"]


def test_what_was_cancelled_before_it_ran_does_not_disturb_what_soaks(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    Deployment.objects.filter(environment__name="staging").update(ended_at=now() - timedelta(minutes=31))
    other = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    services.cancel(delivery.people.carol, deployment=other)
    other.refresh_from_db()
    assert (other.status, other.attempts) == ("cancelled", 0)
    assert judged(row) == ["dispatching"]


def test_a_roll_back_promotes_nothing_that_contains_what_it_undid(delivery: Delivery) -> None:
    before = delivery.merged("before", {"app/before.yaml": "a: 1\n"})
    bad = delivery.merged("bad", {"app/bad.yaml": "a: 1\n"})
    on_top = delivery.merged("top", {"app/top.yaml": "a: 1\n"})
    undoing = delivery.merged("undoing", {"app/bad.yaml": "a: 0\n"})
    type(undoing).objects.filter(pk=undoing.pk).update(kind="rollback", rolls_back=bad)
    staging = Environment.objects.get(name="staging")
    failed = Deployment.objects.filter(environment=staging).exclude(change=before)
    failed.update(status="failed", attempts=1, ended_at=now())
    done = Deployment.objects.filter(environment=staging, change=undoing)
    done.update(status="succeeded", kind="rollback", ended_at=now())
    production = {change.pk: delivery.deployment(change, "production") for change in (before, bad, on_top, undoing)}
    assert promoted_at(production[bad.pk], staging) is None
    assert promoted_at(production[on_top.pk], staging) is None, "what failed there is in it, and not in the roll-back"
    assert promoted_at(production[before.pk], staging) is not None
    assert promoted_at(production[undoing.pk], staging) is not None
    done.update(kind="forward")
    assert promoted_at(production[on_top.pk], staging) is None, "it failed there itself"
    failed.filter(change=on_top).update(status="pending", attempts=0)
    assert promoted_at(production[on_top.pk], staging) is not None


def test_what_a_start_brings_is_everything_merged_since_what_is_live(delivery: Delivery) -> None:
    delivery.merged("one")
    run_until_idle()
    two = delivery.merged("two", {"app/two.yaml": "a: 1\n"})
    three = delivery.merged("three", {"app/three.yaml": "a: 1\n"})
    found = coming_with(delivery.deployment(three))
    assert [change.pk for change in found.changes] == [two.pk, three.pk]
    assert not found.goes_back


def test_what_was_rolled_back_in_the_environment_before_does_not_go_on(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    staging = Deployment.objects.get(environment__name="staging")
    Deployment.objects.filter(pk=staging.pk).update(ended_at=now() - timedelta(hours=2))
    other = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk=other.pk).update(
        kind="rollback", status="succeeded", ended_at=now() - timedelta(hours=1)
    )
    type(other.change).objects.filter(pk=other.change_id).update(rolls_back=row.change)
    assert judged(row) == ["promotion"]
    assert f"{other.label} rolled {row.change.label} back in staging" in row.waits[0]["text"]


def test_a_failure_in_between_starts_the_time_anew(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    Deployment.objects.filter(environment__name="staging").update(ended_at=now() - timedelta(hours=2))
    for name, status, minutes in (("two", "failed", 20), ("three", "succeeded", 10)):
        other = delivery.deployment(delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}))
        Deployment.objects.filter(pk=other.pk).update(
            attempts=1, status=status, ended_at=now() - timedelta(minutes=minutes)
        )
    assert judged(row) == ["soak"]
