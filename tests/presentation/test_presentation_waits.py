"""Waits stand in the step list with how long they took, as events told; a step without output says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, DeploymentEvent
from apps.deployments.queries import waited as waits
from apps.deployments.queries.waited import waited
from apps.deployments.services import release, retry
from apps.presentation.deployment_page import deployment_page, logs_of
from tests.support.delivery import Delivery, pipeline, run_until_idle

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
TWO_STEPS = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {via: local, start: manual, steps: [{name: quiet, run: 'true'}, {name: apply, run: 'exit 3'}, {name: verify, run: 'echo fine'}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


def told(*rows: tuple[int, str, dict[str, Any]]) -> list[tuple[datetime, dict[str, Any]]]:
    """(minute, status, more) as events."""
    return [(START + timedelta(minutes=minute), {"status": status, **more}) for minute, status, more in rows]


def holds(*codes: str) -> dict[str, Any]:
    return {"waits": [{"code": code, "text": f"{code} says"} for code in codes]}


def test_each_reason_is_counted_from_the_event_that_brought_it_to_the_one_without_it() -> None:
    events = told(
        (0, "pending", {"kind": "forward"}),
        (1, "pending", holds("gate", "window")),
        (31, "pending", holds("window")),
        (40, "pending", {}),  # a sentence for who watches ends nothing
        (121, "pending", holds("lock")),
        (123, "dispatching", {"attempt": 1}),
        (124, "running", {}),
        (130, "failed", {}),
    )
    found = [(one.code, one.seconds / 60, one.since, one.at_least) for one in waited(events, 1)]
    assert found == [("gate", 30, None, False), ("window", 120, None, False), ("lock", 2, None, False)]


def test_what_holds_now_is_open_and_a_reason_that_comes_back_is_one() -> None:
    events = told(
        (0, "pending", holds("window")), (10, "pending", holds("lock")), (15, "pending", holds("lock", "window"))
    )
    lock, window = sorted(waited(events, 1), key=lambda one: one.code)
    assert (lock.since, lock.seconds) == (START + timedelta(minutes=10), 0)
    assert (window.since, window.seconds) == (START + timedelta(minutes=15), 600)


def test_waits_belong_to_the_attempt_that_came_after_them() -> None:
    events = told(
        (0, "pending", holds("gate")),
        (5, "dispatching", {"attempt": 1}),
        (9, "failed", {}),
        (20, "pending", {"from_step": 0}),
        (21, "pending", holds("lock")),
        (24, "dispatching", {"attempt": 2}),
        (29, "cancelled", {}),
    )
    assert [(one.code, one.seconds) for one in waited(events, 1)] == [("gate", 300)]
    assert [(one.code, one.seconds) for one in waited(events, 2)] == [("lock", 180)]
    assert waited(events, 3) == ()


def test_a_wait_that_may_be_older_than_what_is_read_says_at_least() -> None:
    events = told(
        (50, "pending", holds("window")), (60, "pending", holds("window", "lock")), (70, "dispatching", {"attempt": 4})
    )
    assert [(one.code, one.at_least) for one in waited(events, 4, is_cut=True)] == [("window", True), ("lock", False)]
    assert waited(events, 5, is_cut=True) == ()


def test_a_cancelled_one_waits_no_more() -> None:
    (one,) = waited(told((0, "pending", holds("manual")), (7, "cancelled", {})), 1)
    assert (one.seconds, one.since) == (420, None)


def page_of(delivery: Delivery, row: Deployment) -> str:
    client = Client()
    client.force_login(delivery.people.alice)
    return client.get(f"/deployments/{row.number}/_steps/").content.decode()


@pytest.mark.django_db
def test_the_step_list_says_what_is_waited_for_and_later_for_how_long(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TWO_STEPS)
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    shown = page_of(delivery, row)
    assert "Waiting for somebody to press Start" in shown
    assert "Starts by hand: somebody who may deploy presses Start." in shown
    DeploymentEvent.objects.filter(deployment=row).update(at=now() - timedelta(hours=2))
    row.refresh_from_db()
    release(delivery.people.carol, deployment=row)
    run_until_idle()
    shown = page_of(delivery, row)
    assert "Waited for somebody to press Start" in shown
    assert "2 h" in shown
    assert "Waiting" not in shown


@pytest.mark.django_db
def test_a_step_without_output_says_why(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TWO_STEPS.replace("start: manual, ", ""))
    row = delivery.deployment(delivery.merged())

    def notes() -> dict[str, str]:
        return {log.step: log.note for log in logs_of(deployment_page(delivery.people.alice, row.number))}

    waiting = "Not started yet: the steps before it come first."
    assert notes() == {"quiet": waiting, "apply": waiting, "verify": waiting}
    run_until_idle()
    assert notes() == {
        "quiet": "It succeeded, and printed nothing.",
        "apply": "It failed, and printed nothing.",
        "verify": "Never ran: apply failed before it.",
    }
    row.refresh_from_db()
    retry(delivery.people.carol, deployment=row, from_step=1)
    run_until_idle()
    assert Attempt.objects.filter(deployment=row).count() == 2
    assert notes()["quiet"] == "Not run again: this attempt began at apply."
    assert "Never ran: apply failed before it." in page_of(delivery, row)


@pytest.mark.django_db
def test_only_the_newest_states_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    every, is_cut = waits.states_of(row)
    assert not is_cut
    monkeypatch.setattr(waits, "MOST_EVENTS", 2)
    assert waits.states_of(row) == (every[-2:], True)
