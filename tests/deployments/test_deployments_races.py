"""Two at the same time, on real threads and connections: one winner, told so; the loser hears what moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.jobs import environments, starting
from apps.deployments.models import Deployment, Environment, MergeIntent
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = [pytest.mark.django_db(transaction=True)]


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Run all calls from one barrier; the code of what each raised, or ``won``."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[str] = []

    def run(call: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            call()
            outcomes.append("won")
        except Conflict as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


def test_of_two_mergers_one_wins(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    change = delivery.approved()
    people = delivery.people
    outcomes = at_once(
        *(lambda who=who: services.merge_change(who, change=change) for who in (people.alice, people.carol) * 2)
    )  # type: ignore[misc]
    assert outcomes == ["already_merging"] * 3 + ["won"]
    assert MergeIntent.objects.count() == 1


def test_two_merges_of_different_changes_into_one_branch_do_not_overwrite_each_other(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    changes = [delivery.approved(name, {f"{name}.txt": name}) for name in ("one", "two")]
    for change in changes:
        change.refresh_from_db()
        services.merge_change(delivery.people.alice, change=change)
    intents = list(MergeIntent.objects.order_by("pk"))
    from apps.deployments.jobs.landing import carry_out_merge

    at_once(*(lambda pk=intent.pk: carry_out_merge(pk) for intent in intents))  # type: ignore[misc]
    states = sorted(MergeIntent.objects.values_list("state", flat=True))
    assert states == ["landed", "returned"]
    run_until_idle(40)
    loser = next(change for change in changes if change.merge_intents.filter(state="returned").exists())
    loser.refresh_from_db()
    assert (loser.status, loser.revision.number) == ("in_review", 2)


def test_two_workers_start_one_deployment_once(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    at_once(*[lambda: starting.start(row.pk)] * 4)
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("dispatching", 1)
    services.cancel(delivery.people.alice, deployment=row)
    run_jobs("deployments.follow")


def test_a_double_request_for_a_deployment_makes_one(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.merged()
    run_until_idle()
    again = [lambda: services.start_deployment(delivery.people.alice, change=change, environment="staging")] * 3
    assert at_once(*again) == ["already_pending", "already_pending", "won"]
    row = delivery.deployment(change)
    assert (row.kind, Deployment.objects.filter(change=change).count()) == ("redeploy", 3)
    change.refresh_from_db()
    assert change.status == "merged", "it is being deployed again"
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"


def test_a_double_rollback_opens_one(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    row.refresh_from_db()
    outcomes = at_once(*[lambda: services.roll_back(delivery.people.alice, deployment=row)] * 2)
    assert outcomes == ["rollback_open", "won"]


def test_environments_are_known_before_the_first_merge_and_follow_the_file(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    run_jobs("deployments.read_environments")
    assert list(Environment.objects.values_list("name", "protected")) == [("staging", False), ("production", True)]
    assert list(environments.repositories_due(10)) == []
    delivery.work.checkout("main")
    delivery.work.commit("less", files={".gitops/portal.yaml": "apiVersion: portal/v1\nenvironments: {staging: {}}\n"})
    from tests.support.repositories import pushed

    pushed(delivery.repository, delivery.work)
    run_jobs("deployments.read_environments")
    assert list(Environment.objects.order_by("name").values_list("name", "defined")) == [
        ("production", False),
        ("staging", True),
    ]
