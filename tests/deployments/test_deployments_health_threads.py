"""Health that is asked by commands which take minutes: it holds no thread that follows runs, and a wait for one makes nothing fail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.deployments.health import Reading
from apps.deployments.jobs import asking, following
from apps.deployments.models import Attempt, Deployment
from apps.worker.registry import jobs
from tests.support.delivery import Delivery, run_jobs
from tests.support.outside import until

pytestmark = pytest.mark.django_db
NUMBER = 6
ASK = "deployments.ask_commands"


def yaml(number: int, otherwise: str = "roll-back") -> str:
    """So many environments that are watched by a command, and one that is not."""
    health = (
        "health: {checks: [{name: smoke, command: 'true', timeout: 2m, every: 10s}], for: 1m, within: 9m, "
        f"otherwise: {otherwise}}}"
    )
    some = [
        f"  shop{n}:\n    deploy: {{via: local, steps: [{{name: apply, run: 'true'}}], {health}}}\n"
        for n in range(number)
    ]
    return (
        "apiVersion: portal/v1\nenvironments:\n"
        + "".join(some)
        + "  other:\n    deploy: {via: local, steps: [{name: apply, run: 'true'}]}\n"
        + "rules:\n  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}\n"
    )


def handed_over(delivery: Delivery) -> list[Deployment]:
    """All whose run is over and whose health is to be asked by the command, but was not yet."""
    delivery.merged()
    for _ in range(400):
        Deployment.objects.filter(status__in=["pending", "dispatching", "running"]).update(check_at=None)
        run_jobs("deployments.start", "deployments.follow")
        rows = list(Deployment.objects.filter(environment__name__startswith="shop").order_by("pk"))
        if rows and Attempt.objects.exclude(health={}).count() == len(rows):
            return rows
    raise AssertionError(list(Deployment.objects.values_list("environment__name", "status", "problem")))


def slow(monkeypatch: pytest.MonkeyPatch, later: Any, seconds: float, reading: Reading) -> None:
    def read(*_given: Any, **_named: Any) -> Reading:
        later(seconds)
        return reading

    monkeypatch.setattr(asking, "read_command", read)


def play(rows: list[Deployment], later: Any, rounds: int) -> None:
    """One thread looks at one after the other."""
    for _ in range(rounds):
        for row in rows:
            Deployment.objects.filter(pk=row.pk).update(check_at=None)
            jobs()[ASK].run(row.pk)
        later(10)
    for row in rows:
        row.refresh_from_db()


def test_what_waits_for_the_commands_of_others_and_is_healthy_does_not_fail(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = handed_over(Delivery.start(tmp_path, yaml(NUMBER)))
    slow(monkeypatch, later, 100, Reading(is_good=True, text="exited with 0"))
    play(rows, later, 3)
    assert [(row.status, row.problem) for row in rows] == [("succeeded", "")] * NUMBER
    assert not any(row.rollback_due for row in rows)


def test_what_waits_for_the_commands_of_others_and_is_not_healthy_fails(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = handed_over(Delivery.start(tmp_path, yaml(NUMBER)))
    slow(monkeypatch, later, 100, Reading(is_good=False, text="exited with 1"))
    play(rows, later, 6)
    assert [row.status for row in rows] == ["failed"] * NUMBER


def test_while_nobody_is_looked_at_nothing_counts_as_good(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = handed_over(Delivery.start(tmp_path, yaml(1)))
    slow(monkeypatch, later, 100, Reading(is_good=True, text="exited with 0"))
    play([row], later, 1)
    later(500)  # no worker ran: three looks take 300 s
    play([row], later, 1)
    assert row.status == "running"
    play([row], later, 2)
    assert row.status == "succeeded"


def test_who_follows_runs_asks_no_command(tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = Delivery.start(tmp_path, yaml(NUMBER))

    def asked(*_given: Any, **_named: Any) -> Reading:
        raise AssertionError("a command was run in a thread that follows runs")

    monkeypatch.setattr(asking, "read_command", asked)
    rows = handed_over(delivery)
    other = Deployment.objects.get(environment__name="other")
    mine = [row.pk for row in rows]
    Deployment.objects.update(check_at=None)
    assert set(following.watches_due(100)) == set(mine)
    assert not set(following.runs_due(100)) & set(mine)
    for pk in mine:  # as a wake-up does
        jobs()["deployments.follow"].run(pk)
    monkeypatch.setattr(asking, "read_command", lambda *_, **_named: Reading(is_good=True, text="exited with 0"))
    assert until(other, "succeeded").status == "succeeded"
    later(40)
    play(rows, later, 2)
    later(10)
    play(rows, later, 1)
    assert {row.status for row in rows} == {"succeeded"}


def test_what_waits_for_a_thread_for_long_is_not_given_up(tmp_path: Path) -> None:
    """Another worker says of a run on this disk that it is lost when nobody has followed it for ten minutes."""
    (row,) = handed_over(Delivery.start(tmp_path, yaml(1)))
    old = clock.now() - timedelta(minutes=9)
    Deployment.objects.filter(pk=row.pk).update(followed_at=old, check_at=None)
    run_jobs("deployments.follow")
    row.refresh_from_db()
    assert row.followed_at is not None
    assert row.followed_at > old + timedelta(minutes=8)
    assert row.status == "running"
