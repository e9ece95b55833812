"""The embedded loop: wakes, sweeps, does not do a unit twice at a time, and outlives what fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from apps.core.work import Job, work_requested
from apps.worker import dispatching, tasks
from apps.worker.embedded import Engine
from apps.worker.registry import jobs
from gitops_portal.celery import app


def wait_until(is_so: Callable[[], Any], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def started() -> Any:
    engines: list[Engine] = []

    def start(*offered: Job) -> Engine:
        engine = Engine({job.name: job for job in offered})
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.stop()


def test_all_contexts_offer_their_jobs_under_different_names() -> None:
    assert {"repositories.sync", "deployments.carry_out_merges", "deployments.follow"} <= set(jobs())
    assert all(name == job.name and name.count(".") == 1 for name, job in jobs().items())


def test_a_wake_up_runs_the_unit_at_once(started: Any) -> None:
    done: list[int] = []
    started(Job("x.slow_sweep", lambda _: [], done.append, every=3600))
    work_requested.send(sender=None, name="x.slow_sweep", pk=7)
    wait_until(lambda: done == [7])


def test_a_lost_wake_up_is_found_by_the_sweep(started: Any) -> None:
    done: list[int] = []
    started(Job("x.swept", lambda _: [] if done else [3], done.append, every=0.05))
    wait_until(lambda: done == [3])


def test_a_unit_is_never_done_twice_at_a_time_and_again_when_asked_meanwhile(started: Any) -> None:
    at_once: list[int] = []
    most: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def run(pk: int) -> None:
        at_once.append(pk)
        most.append(len(at_once))
        begun.set()
        gate.wait(5)
        at_once.remove(pk)

    engine = started(Job("x.unit", lambda _: [1], run, every=0.02, slow=True))
    begun.wait(5)
    engine.wake("x.unit", 1)
    time.sleep(0.1)
    assert most == [1]
    gate.set()
    wait_until(lambda: len(most) >= 2)
    assert set(most) == {1}


def test_failures_are_retried_later_and_stop_nothing_else(started: Any) -> None:
    tried: list[int] = []
    fine: list[int] = []

    def fail(pk: int) -> None:
        tried.append(pk)
        raise ValueError

    def broken_due(_: int) -> list[int]:
        raise RuntimeError

    started(
        Job("x.failing", lambda _: [1], fail, every=0.02),
        Job("x.broken", broken_due, fail, every=0.02),
        Job("x.fine", lambda _: [1], fine.append, every=0.02),
    )
    wait_until(lambda: len(fine) > 10)
    assert len(tried) == 1, "the next try waits two seconds"


def test_hosts_that_do_not_answer_leave_threads_for_deployments(started: Any) -> None:
    answered, followed, synced = threading.Event(), threading.Event(), []

    def sync(pk: int) -> None:
        answered.wait(10)
        synced.append(pk)

    def follow(_pk: int) -> None:
        followed.set()

    engine = started(
        Job(name="x.sync", due=lambda _limit: (), run=sync, slow=True),
        Job(name="x.merge", due=lambda _limit: (), run=sync, slow=True),
        Job(name="x.follow", due=lambda _limit: (), run=follow, slow=True),
    )
    for pk in range(20):
        engine.wake("x.sync", pk)
        engine.wake("x.merge", 100 + pk)
    time.sleep(0.1)
    engine.wake("x.follow", 1)
    assert followed.wait(2), "twenty hosts that hang hold every thread"
    answered.set()
    wait_until(lambda: len(synced) == 40)


def test_stopping_waits_for_what_runs(started: Any) -> None:
    ended: list[int] = []
    begun = threading.Event()

    def run(pk: int) -> None:
        begun.set()
        time.sleep(0.3)
        ended.append(pk)

    engine = started(Job("x.long", lambda _: [1], run, every=0.05, slow=True))
    begun.wait(5)
    engine.stop()
    assert ended == [1]
    time.sleep(0.2)
    assert ended == [1]


def test_a_broker_that_does_not_answer_costs_a_request_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def refused(*_: object, **__: object) -> None:
        tries.append(1)
        raise OperationalError("nobody there")

    monkeypatch.setattr(tasks.run_unit, "apply_async", refused)
    monkeypatch.setattr(dispatching, "_silent_until", 0.0)
    for pk in range(20):
        dispatching.send("deployments.start", pk)
    assert len(tries) == 1
    assert app.conf.broker_transport_options["max_retries"] == 0
