"""What runs is compared with what was deployed: when, by whom, once; and nothing that is not known is ever green."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import Rendering
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed
from apps.deployments import services
from apps.deployments.dispatchers import kube_drift
from apps.deployments.jobs import drifting as job
from apps.deployments.models import (
    Connection,
    ConnectionGrant,
    DefinedEnvironments,
    Deployment,
    DriftCheck,
    DriftWatch,
    Environment,
)
from apps.deployments.queries.drift import drift_of, drifted_among
from apps.deployments.transitions import drifting as writing
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.drifting import CANARY, CHECK, POLICY, Drifting, config, drifting

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Drifting]:
    with drifting(tmp_path) as found:
        yield found


def test_it_is_never_checked_until_it_was_and_is_looked_at_soon_after_a_deployment(world: Drifting) -> None:
    assert world.drift.state == "never"
    assert run_jobs(CHECK) == 1
    assert (world.drift.state, world.drift.fields, world.drift.every_seconds) == ("in_sync", 0, 1800)
    row = world.latest
    assert (row.target, row.way, row.commit, row.deployment, row.looked_at) == (
        "web", "kubernetes", world.live.commit, world.live, 3
    )  # fmt: skip
    assert run_jobs(CHECK) == 0
    watch = DriftWatch.objects.get()
    assert watch.next_at is not None
    assert timedelta(minutes=29) < watch.next_at - now() <= timedelta(minutes=30)
    world.deploy("second", {"k8s/three.yaml": config("three")})
    assert world.drift.state == "stale"
    assert run_jobs(CHECK) == 1
    assert world.drift.state == "in_sync"


def test_the_ledger_is_compared_and_not_the_newest_commit(world: Drifting) -> None:
    change = world.delivery.proposed("second", {"k8s/one.yaml": config("one", "2")})
    run_jobs("changes.render", "changes.plan_renderings")
    world.delivery.approve(change)
    change.refresh_from_db()
    services.merge_change(world.delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    assert world.check().state == "in_sync"
    assert world.latest.commit == world.live.commit != change.merge_commit


def test_drift_is_counted_named_and_remembered_until_it_is_gone(world: Drifting) -> None:
    world.check()
    world.change()
    world.change("two")
    found = world.check()
    assert (found.state, found.fields, found.resources, found.accepted) == ("drifted", 2, 2, 0)
    first = found.since
    assert [(one["resource"], one["path"], one["wanted"], one["found"]) for one in world.latest.findings] == [
        ("ConfigMap web/one", "data.a", '"1"', '"9"'),
        ("ConfigMap web/two", "data.a", '"1"', '"9"'),
    ]
    assert world.check().since == first
    world.change(value="1")
    world.change("two", "1")
    assert (world.check().state, world.drift.since) == ("in_sync", None)
    actions = [row.action for row in AuditEntry.objects.filter(action__startswith="drift.").order_by("pk")]
    assert actions == ["drift.found", "drift.gone"]
    assert DriftCheck.objects.filter(is_latest=True).count() == 1


def test_secrets_stand_nowhere(world: Drifting) -> None:
    world.there.objects["secrets", "web", "s"]["stringData"]["password"] = f"{CANARY}-changed"
    assert world.check().state == "drifted"
    stored = json.dumps([world.latest.findings, world.latest.not_looked, world.latest.marks, world.latest.why])
    stored += " ".join(map(str, AuditEntry.objects.values_list("summary", "data")))
    assert CANARY not in stored
    assert world.latest.findings[0]["path"].endswith("password")


def test_news_older_than_two_intervals_is_never_green(world: Drifting) -> None:
    world.check()
    world.later(minutes=59)
    assert world.drift.state == "in_sync"
    world.later(minutes=2)
    assert (world.drift.state, world.drift.was) == ("stale", "in_sync")
    world.change()
    world.check()
    world.later(minutes=61)
    assert (world.drift.state, world.drift.was, world.drift.fields) == ("stale", "drifted", 1)


def test_a_check_of_the_future_is_not_believed(world: Drifting) -> None:
    world.check()
    DriftCheck.objects.update(checked_at=now() + timedelta(minutes=10))
    assert world.drift.state == "stale"


def test_without_an_interval_an_hour_is_too_old(world: Drifting) -> None:
    world.check()
    DriftWatch.objects.update(every_seconds=0)
    assert world.drift.state == "in_sync"
    world.later(minutes=61)
    assert world.drift.state == "stale"


def test_a_check_that_fails_is_unknown_and_says_why(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    world.check()
    world.there.answers["GET configmaps"] = [503]
    assert world.check().state == "unknown"
    ConnectionGrant.objects.all().delete()
    assert world.check().state == "unknown"
    assert "no such connection may be used in staging" in world.drift.why

    def fails(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(job, "looks_at", fails)
    assert world.check().state == "unknown"
    assert "The portal itself failed here (RuntimeError)" in world.drift.why
    assert CANARY not in world.drift.why


def test_one_target_that_failed_leaves_nothing_in_sync(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_drift, "_of_item", lambda item, *_: fail(item))
    assert world.check().state == "unknown"
    assert "ConfigMap one could not be compared: nobody knows" in world.drift.why


def fail(item: Any) -> list[Any]:
    if item.name == "one":
        raise kube_drift.Answered(403, "nobody knows")
    return []


def test_drift_and_what_could_not_be_compared_are_both_told(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    world.change("two")
    real = kube_drift._of_item
    monkeypatch.setattr(kube_drift, "_of_item", lambda item, *more: fail(item) or real(item, *more))
    found = world.check()
    assert (found.state, found.fields) == ("drifted", 1)
    assert "could not be compared" in found.why


def test_a_rendering_that_is_not_the_approved_one_is_not_compared(world: Drifting) -> None:
    Rendering.objects.update(digest="0" * 64)
    assert world.check().state == "unknown"
    assert "rendered otherwise now" in world.drift.why


def test_two_workers_look_once_and_one_that_lost_its_lease_writes_nothing(
    world: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = DriftWatch.objects.get().pk
    real = job._tell_all

    def also_by_another(*arguments: Any) -> Any:
        before = DriftCheck.objects.count()
        monkeypatch.setattr(job, "_tell_all", real)
        job.check_drift(pk)  # the lease is held: it does nothing
        assert DriftCheck.objects.count() == before
        assert job.drift_due(10) == []
        told = real(*arguments)
        DriftWatch.objects.update(fence=1_000)  # somebody took it over
        return told

    monkeypatch.setattr(job, "_tell_all", also_by_another)
    job.check_drift(pk)
    assert not DriftCheck.objects.exists()


def test_nothing_is_looked_at_while_a_deployment_holds_the_environment(world: Drifting) -> None:
    world.check()
    Deployment.objects.filter(pk=world.live.pk).update(status="running")
    DriftWatch.objects.update(next_at=now())
    assert job.drift_due(10) == []
    job.check_drift(DriftWatch.objects.get().pk)
    assert DriftCheck.objects.count() == 1
    Deployment.objects.filter(pk=world.live.pk).update(status="succeeded")
    assert len(job.drift_due(10)) == 1


def test_what_moved_while_it_was_looked_at_is_not_kept(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    real = job._tell_all

    def moved(*arguments: Any) -> Any:
        told = real(*arguments)
        Environment.objects.filter(name="staging").update(live_commit="e" * 40)
        return told

    monkeypatch.setattr(job, "_tell_all", moved)
    run_jobs(CHECK)
    assert not DriftCheck.objects.exists()
    assert len(job.drift_due(10)) == 1


def test_what_was_asked_for_during_a_look_is_looked_at_again(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    real = job._tell_all

    def asked(*arguments: Any) -> Any:
        services.ask_drift_check(world.delivery.people.alice, environment=world.environment)
        return real(*arguments)

    monkeypatch.setattr(job, "_tell_all", asked)
    run_jobs(CHECK)
    assert len(job.drift_due(10)) == 1


def test_history_is_bounded(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "KEPT", 3)
    for _ in range(6):
        world.check()
    assert DriftCheck.objects.filter(is_latest=False).count() == 3
    assert DriftCheck.objects.filter(is_latest=True).count() == 1


def test_somebody_asks_and_it_is_recorded(world: Drifting) -> None:
    world.check()
    people = world.delivery.people
    services.ask_drift_check(people.alice, environment=world.environment)
    assert world.drift.is_asked
    assert run_jobs(CHECK) == 1
    entry = AuditEntry.objects.get(action="drift.check_asked")
    assert (entry.environment, entry.data) == ("staging", {})
    with pytest.raises(NotAllowed, match="you may not see it"):
        services.ask_drift_check(people.mallory, environment=world.environment)
    with pytest.raises(NotAllowed):
        services.ask_drift_check(people.dave, environment=world.environment)
    Environment.objects.update(live_deployment=None)
    with pytest.raises(Conflict, match="Nothing was deployed to staging yet"):
        services.ask_drift_check(people.alice, environment=world.environment)
    assert job.drift_due(10) == []


def test_the_schedule_follows_portal_yaml(world: Drifting) -> None:
    world.check()
    DriftWatch.objects.update(every_seconds=600, next_at=None)
    DefinedEnvironments.objects.update(commit="0" * 40)
    run_jobs("deployments.read_environments")
    watch = DriftWatch.objects.get()
    assert (watch.every_seconds, watch.next_at is not None) == (1800, True)


def test_what_drifted_is_found_among_what_one_may_see_until_somebody_accepts_it(world: Drifting) -> None:
    world.change()
    world.check()
    assert drifted_among(Environment.objects.all()) == [world.environment.pk]
    assert drifted_among(Environment.objects.none()) == []
    carol, mark = world.delivery.people.carol, world.latest.findings[0]["mark"]
    services.accept_drift(
        carol, environment=world.environment, mark=mark, reason="known", until=now() + timedelta(days=1)
    )
    assert drifted_among(Environment.objects.all()) == []


def test_a_way_that_cannot_tell_says_so(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.merged()
    run_until_idle()
    row = Environment.objects.get(name="staging")
    assert row.live_deployment is not None
    assert row.live_deployment.change_id == change.pk
    services.ask_drift_check(delivery.people.alice, environment=row)
    run_jobs(CHECK)
    found = drift_of([row])[row.pk]
    assert found.state == "unknown"
    assert found.why.startswith("`via: local` cannot say what is there now; a command can")


def test_a_target_that_nothing_can_compare_leaves_the_environment_unknown(tmp_path: Path) -> None:
    policy = POLICY.replace("path: k8s}}", "path: k8s}, net: {kind: terraform, path: infra}}")
    with drifting(tmp_path, policy) as world:
        assert world.check().state == "unknown"
        rows = DriftCheck.objects.filter(is_latest=True).order_by("target").values_list("target", "state", "why")
        assert list(rows) == [
            (
                "net",
                "unknown",
                "net is not planned by a runner (`plan: runner`), so the portal has no access to its state.",
            ),
            ("web", "in_sync", ""),
        ]


def test_another_connection_than_it_was_deployed_through_is_not_believed(world: Drifting) -> None:
    old = Connection.objects.get()
    Connection.objects.filter(pk=old.pk).update(name="old", is_removed=True)
    erin = world.delivery.people.erin
    new = services.create_connection(
        erin, name="corp", kind="kubernetes", url=world.there.url, values={"token": "another-token"}
    )
    services.allow_connection(erin, connection=new, repository=world.delivery.repository, environments=[])
    assert world.check().state == "unknown"
    assert "deployed through another connection" in world.drift.why


def accept_first(world: Drifting) -> None:
    carol, mark = world.delivery.people.carol, world.latest.findings[0]["mark"]
    services.accept_drift(
        carol, environment=world.environment, mark=mark, reason="known", until=now() + timedelta(days=1)
    )


def test_what_could_not_be_compared_is_unknown_when_all_that_was_found_is_accepted(
    world: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.change("two")
    real = kube_drift._of_item
    monkeypatch.setattr(kube_drift, "_of_item", lambda item, *more: fail(item) or real(item, *more))
    world.check()
    accept_first(world)
    assert (world.drift.state, world.drift.accepted) == ("unknown", 1)
    assert "could not be compared" in world.drift.why


def test_findings_that_are_only_counted_are_found_among_what_one_may_see(world: Drifting) -> None:
    world.change("one")
    world.check()
    accept_first(world)
    assert drifted_among(Environment.objects.all()) == []
    DriftCheck.objects.filter(pk=world.latest.pk).update(more=7)
    assert world.drift.state == "drifted"
    assert drifted_among(Environment.objects.all()) == [world.environment.pk]
