"""One order of locks (ADR 26) on PostgreSQL: acts that meet in the middle wait for each other in turn, and none is ended by a deadlock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client

from apps.accounts.services import deactivate_user
from apps.audit.models import AuditEntry
from apps.changes import outside as outside_rows
from apps.changes.models import ChangeRequest
from apps.changes.services import retarget, take_update
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.dispatchers.drift import Finding, Found
from apps.deployments.jobs.health import roll_back_unhealthy
from apps.deployments.jobs.landing import carry_out_merge
from apps.deployments.jobs.starting import start
from apps.deployments.jobs.verifying import _end as end_verification
from apps.deployments.lifecycle import Event
from apps.deployments.models import Deployment, DriftWatch, Environment, MergeIntent, TargetFreeze
from apps.deployments.transitions import (
    Told,
    end_deployment,
    freeze_target,
    move,
    refresh_environments,
    write_checks,
)
from apps.policies.config import parse_portal_yaml
from apps.repositories.models import RefUpdate
from apps.repositories.services import synchronise
from apps.reviews.models import News, Thread
from apps.reviews.services import open_thread, reply, resolve_thread
from tests.support.delivery import Delivery, run_jobs
from tests.support.meeting import meet
from tests.support.repositories import pushed

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ONE_PLACE = """\
apiVersion: portal/v1
environments:
  staging: {deploy: {steps: [{name: apply, run: "true"}]}}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
Act = Callable[[], object]


@pytest.fixture(autouse=True)
def _postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip(f"this run is on {connection.vendor}")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, ONE_PLACE)


def running(delivery: Delivery, change: ChangeRequest) -> Deployment:
    """The deployment of ``change``, claimed and begun; nothing really runs."""
    row = delivery.deployment(change)
    start(row.pk)
    row.refresh_from_db()
    with transaction.atomic():
        move(row, Event.BEGIN, text="It runs.")
    return row


def ends(row: Deployment, event: Event = Event.SUCCEED) -> Act:
    def end() -> None:
        with transaction.atomic():
            end_deployment(Deployment.objects.get(pk=row.pk), event, text="It is over.", problem="It is over.")

    return end


def merging(delivery: Delivery, name: str = "one") -> MergeIntent:
    """By carol, so that alice is told when it lands."""
    return services.merge_change(delivery.people.carol, change=delivery.approved(name))


def discussed(delivery: Delivery, change: ChangeRequest) -> Thread:
    """A thread of bob; alice has a row in her inbox, to which what follows is added."""
    return open_thread(delivery.people.bob, change=change, body="Why?")


DISCUSSING: dict[str, Callable[[Delivery, Thread], object]] = {
    "open": lambda delivery, thread: open_thread(delivery.people.kim, change=thread.change, body="And this?"),
    "reply": lambda delivery, thread: reply(delivery.people.kim, thread=thread, body="Because."),
    "resolve": lambda delivery, thread: resolve_thread(delivery.people.bob, thread=thread),
}


@pytest.mark.parametrize("event", [Event.SUCCEED, Event.FAIL])
def test_who_discusses_a_change_meets_the_end_of_its_deployment(delivery: Delivery, event: Event) -> None:
    for how, act in DISCUSSING.items():
        change = delivery.merged(how)
        thread, row = discussed(delivery, change), running(delivery, change)
        assert meet(partial(act, delivery, thread), ends(row, event)) == [], how
        row.refresh_from_db()
        change.refresh_from_db()
        wanted = ("succeeded", "done") if event == Event.SUCCEED else ("failed", "merged")
        assert (row.status, change.status) == wanted


def test_who_discusses_a_change_meets_its_landing(delivery: Delivery) -> None:
    for how, act in DISCUSSING.items():
        intent = merging(delivery, how)
        thread = discussed(delivery, intent.change)
        assert meet(partial(act, delivery, thread), partial(carry_out_merge, intent.pk)) == [], how
        intent.refresh_from_db()
        assert intent.state == "landed"


def test_who_discusses_what_a_roll_back_undid_meets_its_last_success(delivery: Delivery) -> None:
    undone, change = delivery.merged("one"), delivery.merged("two")
    ends(delivery.deployment(undone), Event.CANCEL)()
    ChangeRequest.objects.filter(pk=change.pk).update(rolls_back=undone)
    thread, row = discussed(delivery, undone), running(delivery, change)
    assert meet(partial(DISCUSSING["open"], delivery, thread), ends(row)) == []
    undone.refresh_from_db()
    assert (undone.status, undone.closed_reason) == ("done", f"Rolled back by {change.label}.")


def test_who_discusses_a_change_meets_the_finding_that_something_else_landed(delivery: Delivery) -> None:
    change = delivery.merged()
    thread, intent = discussed(delivery, change), MergeIntent.objects.get()
    MergeIntent.objects.update(verification=MergeIntent.Verification.PENDING)
    assert meet(
        partial(DISCUSSING["reply"], delivery, thread),
        lambda: end_verification(MergeIntent.objects.get(), intent.fence, "It is something else."),
    ) in ([], ["LeaseLost: "])
    assert TargetFreeze.objects.open().count() == 1


@pytest.mark.parametrize("way", ["succeeds", "has nothing to run"])
def test_who_settles_drift_meets_what_becomes_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    has_steps = way == "succeeds"
    text = ONE_PLACE if has_steps else ONE_PLACE.replace('{deploy: {steps: [{name: apply, run: "true"}]}}', "{}")
    delivery = Delivery.start(tmp_path, text)
    change = delivery.merged()
    row = running(delivery, change) if has_steps else delivery.deployment(change)
    becomes_live = ends(row) if has_steps else partial(start, row.pk)
    monkeypatch.setattr("apps.deployments.services.adopting.to_adopt", lambda _: ["something"])
    place = Environment.objects.get()
    assert meet(lambda: services.adopt_drift(delivery.people.carol, environment=place), becomes_live) == []
    place.refresh_from_db()
    assert place.live_deployment == row


def test_who_settles_drift_meets_a_landing_that_defines_the_place_anew(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.merged("first")
    anew = {".gitops/portal.yaml": ONE_PLACE.replace("staging: {", "staging: {protected: true, ")}
    change = delivery.approved("one", anew)
    intent = services.merge_change(delivery.people.alice, change=change)
    monkeypatch.setattr("apps.deployments.services.adopting.to_adopt", lambda _: ["something"])
    place = Environment.objects.get()
    assert not place.protected
    assert (
        meet(
            lambda: services.adopt_drift(delivery.people.carol, environment=place), partial(carry_out_merge, intent.pk)
        )
        == []
    )
    place.refresh_from_db()
    assert place.protected


def test_a_look_that_finds_drift_meets_who_discusses_what_is_live(delivery: Delivery) -> None:
    """Both write lines into the inbox of alice."""
    for how, act in DISCUSSING.items():
        change = delivery.merged(how)
        ends(running(delivery, change))()
        thread = discussed(delivery, change)
        place = Environment.objects.get()
        watch, _ = DriftWatch.objects.get_or_create(environment=place)
        DriftWatch.objects.update(found_at=None)
        fence, live = DriftWatch.objects.claim(watch.pk, seconds=60), place.live_deployment
        assert fence is not None
        assert live is not None
        found = [Told("web", "kubernetes", Found((Finding(f"ConfigMap {how}", "missing"),)))]
        look = partial(write_checks, watch, fence, live, found, began=now())
        assert meet(partial(act, delivery, thread), look) == [], how
        assert [
            line["kind"] for row in News.objects.filter(user=delivery.people.alice, change=change) for line in row.lines
        ][-1] == "drift"


def test_a_look_that_finds_drift_meets_what_ends_there_and_has_nothing_to_run(tmp_path: Path) -> None:
    """Both write when the environment is looked at next."""
    delivery = Delivery.start(tmp_path, ONE_PLACE.replace('{deploy: {steps: [{name: apply, run: "true"}]}}', "{}"))
    start(delivery.deployment(delivery.merged("one")).pk)
    row, live = delivery.deployment(delivery.merged("two")), Environment.objects.get().live_deployment
    watch, _ = DriftWatch.objects.update_or_create(environment=row.environment, defaults={"every_seconds": 1800})
    fence = DriftWatch.objects.claim(watch.pk, seconds=60)
    assert fence is not None
    assert live is not None
    found = [Told("web", "kubernetes", Found((Finding("ConfigMap one", "missing"),)))]
    assert meet(partial(write_checks, watch, fence, live, found, began=now()), partial(start, row.pk)) == []
    row.refresh_from_db()
    watch.refresh_from_db()
    assert row.status == "succeeded"
    assert watch.next_at is not None
    assert row.started_at is not None
    assert row.started_at <= watch.next_at <= now(), "it is looked at again"


def test_who_aborts_an_adoption_meets_its_landing(delivery: Delivery) -> None:
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    delivery.work.commit("Straight to main", files={"app/values.yaml": "replicas: 9\n"}, author="Kim <k@example.org>")
    delivery.work.push("main")
    synchronise(delivery.repository.pk)
    run_jobs("changes.take_ref_updates")
    outside = delivery.repository.outside_changes.get()
    change = services.adopt_outside_change(delivery.people.alice, outside=outside)
    delivery.approve(change)
    intent = services.merge_change(delivery.people.alice, change=change)
    abort = partial(services.abort_merge, delivery.people.alice, change=change)
    assert meet(abort, partial(carry_out_merge, intent.pk), before='^UPDATE "deployments_mergeintent"') == []
    intent.refresh_from_db()
    change.refresh_from_db()
    assert (intent.state, intent.outcome["code"], change.status) == ("returned", "aborted", "in_review")


@pytest.mark.parametrize(
    ("which", "branch"), [("one", "main"), ("two", "main"), ("one", "release"), ("two", "release")]
)
def test_who_discusses_an_open_change_meets_the_move_of_the_branch_that_several_go_to(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, which: str, branch: str
) -> None:
    """Of a branch that is not the main one the push itself is recorded in that act, too, before the changes are."""
    monkeypatch.setattr(outside_rows, "target_branches", lambda _: frozenset({"main", "release"}))
    pushed(delivery.repository, delivery.work, "main:refs/heads/release")
    changes = {name: delivery.approved(name) for name in ("one", "two")}
    run_jobs("changes.take_ref_updates")
    for change in changes.values() if branch == "release" else ():
        retarget(delivery.people.alice, change=change, target_branch=branch)
    before = {name: change.revision.number for name, change in changes.items() if change.revision is not None}
    delivery.work.checkout("main")
    delivery.work.commit("past the portal", files={"past.txt": "1\n"})
    pushed(delivery.repository, delivery.work, f"main:refs/heads/{branch}")
    update = RefUpdate.objects.untaken().get(branch=branch)
    talk = partial(open_thread, delivery.people.kim, change=changes[which], body="And this?")
    assert meet(talk, partial(take_update, update.pk)) == []
    assert not RefUpdate.objects.untaken().exists()
    assert AuditEntry.objects.filter(action="repository.outside_change", target=branch).count() == 1
    for name, change in changes.items():
        change.refresh_from_db()
        assert change.revision is not None
        assert (change.revision.number, change.revision.cause) == (before[name] + 1, "target_moved")


def test_who_lifts_a_freeze_meets_who_freezes_the_same_branch(delivery: Delivery) -> None:
    freeze_target(delivery.repository, "main", reason="Something else landed.")
    row = TargetFreeze.objects.get()
    lift = partial(services.lift_freeze, delivery.people.carol, freeze=row, reason="Looked at.")
    again = partial(freeze_target, delivery.repository, "main", reason="Once more.")
    assert meet(lift, again) == []


def test_who_asks_for_a_deployment_meets_a_landing(delivery: Delivery) -> None:
    """Both take a number, which has no gaps: under the log, or each would wait for the other."""
    change = delivery.merged("one")
    ends(running(delivery, change), Event.FAIL)()  # it is not done, so that its number is the first that is written
    intent = merging(delivery, "two")
    asks = partial(services.start_deployment, delivery.people.carol, change=change, environment="staging")
    assert meet(asks, partial(carry_out_merge, intent.pk)) == []
    assert sorted(Deployment.objects.values_list("number", flat=True)) == [1, 2, 3]


def test_a_roll_back_by_rule_meets_who_retries(delivery: Delivery) -> None:
    row = running(delivery, delivery.merged())
    ends(row, Event.FAIL)()
    Deployment.objects.update(rollback_due=True, check_at=now() + timedelta(hours=1))
    retry = partial(services.retry, delivery.people.carol, deployment=row)
    problems = meet(partial(roll_back_unhealthy, row.pk), retry, before='"changes_changerequest".* FOR NO KEY UPDATE')
    assert problems == []


PLACE = "{deploy: {steps: [{name: apply, run: 'true'}]}}"
"""Definitions that differ from what is known in all that they name."""
OTHER_PLACE = PLACE.replace("{deploy", "{protected: true, drift: {every: 1h}, deploy")


def defines(delivery: Delivery, *names: str, place: str = OTHER_PLACE) -> Act:
    """Somebody brings the rows in line with a file that has these, in this order."""
    lines = "".join(f"  {name}: {place}\n" for name in names)
    parsed = parse_portal_yaml(f"apiVersion: portal/v1\nenvironments:\n{lines}".encode())
    assert parsed.config is not None
    config = parsed.config

    def refresh() -> None:
        with transaction.atomic():
            refresh_environments(delivery.repository, config)

    return refresh


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [
        (("b", "c"), ("c", "b"), 'INSERT INTO "deployments_environment"'),
        (("b",), ("a", "b"), r'^UPDATE "deployments_environment" SET "defined" = \S+ WHERE'),
    ],
)
def test_two_files_with_other_orders_meet(
    delivery: Delivery, first: tuple[str, ...], second: tuple[str, ...], before: str
) -> None:
    defines(delivery, "a", "b", place=PLACE)()
    assert meet(defines(delivery, *first), defines(delivery, *second), before=before) == []
    found = Environment.objects.filter(repository=delivery.repository, defined=True, protected=True)
    assert set(found.values_list("name", flat=True)) in (set(first), set(second))


def test_who_signs_in_meets_who_deactivates_the_account(delivery: Delivery) -> None:
    erin, kim = delivery.people.erin, delivery.people.kim
    kim.set_password("a long password")
    kim.save()
    answers: list[int] = []

    def signs_in() -> None:
        answers.append(Client().post("/accounts/login/", {"login": "kim", "password": "a long password"}).status_code)

    assert meet(partial(deactivate_user, erin, user=kim), signs_in) == []
    assert answers == [302]
