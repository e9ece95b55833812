"""The embedded loop: wakes, sweeps, does not do a unit twice at a time, and outlives what fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from apps.core.work import COMMANDS, LIVE, MERGES, STARTS, Job, work_requested
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


def test_a_kind_of_work_whose_hosts_do_not_answer_leaves_threads_for_others(started: Any) -> None:
    answered, done, synced = threading.Event(), threading.Event(), []

    def sync(pk: int) -> None:
        answered.wait(60)
        synced.append(pk)

    engine = started(
        Job(name="x.sync", due=lambda _limit: (), run=sync, slow=True),
        Job(name="x.render", due=lambda _limit: (), run=lambda _pk: done.set(), slow=True),
    )
    for pk in range(20):
        engine.wake("x.sync", pk)
    wait_until(lambda: len(engine._running) == 3)
    engine.wake("x.render", 1)
    assert done.wait(10), "twenty hosts that hang hold every thread"
    answered.set()
    wait_until(lambda: len(synced) == 20)


def test_plans_renderings_and_hosts_that_hang_keep_no_run_merge_or_command_waiting(started: Any) -> None:
    """Three kinds of slow work, each with all that it may hold, are more than there are threads for them."""
    answered, done = threading.Event(), []
    slow = ("x.plan", "x.render", "x.check_drift")
    lanes = (LIVE, STARTS, MERGES, COMMANDS)
    engine = started(
        *(Job(name=name, due=lambda _limit: (), run=lambda _pk: answered.wait(60), slow=True) for name in slow),
        *(Job(name=f"x.{lane}", due=lambda _limit: (), run=done.append, slow=True, lane=lane) for lane in lanes),
    )
    for pk in range(3):
        for name in slow:
            engine.wake(name, pk)
    wait_until(lambda: len(engine._running) == 9)
    for number, lane in enumerate(lanes):
        engine.wake(f"x.{lane}", number)
    wait_until(lambda: sorted(done) == [0, 1, 2, 3], seconds=10)
    answered.set()


def test_nothing_but_looks_at_runs_takes_the_threads_of_those_looks() -> None:
    def of(lane: str) -> set[str]:
        return {job.name for job in jobs().values() if job.lane == lane}

    assert of(LIVE) == {"deployments.follow"}
    assert of(STARTS) == {"deployments.begin"}
    assert of(COMMANDS) == {"deployments.ask_commands"}
    assert of(MERGES) == {"deployments.carry_out_merges", "deployments.verify_landed"}


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
