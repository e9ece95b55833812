"""On Celery, too, one kind of work leaves threads for the others, and what waits in a queue is not sent there again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.core.work import COMMANDS, COMMON, LIVE, MERGES, STARTS, Job
from apps.worker import bounding, dispatching, tasks
from apps.worker.bounding import SHARES, Bound
from apps.worker.dispatching import SweepingDispatcher

Patch = pytest.MonkeyPatch


def wait_until_held(bound: Bound, name: str, count: int) -> None:
    until = time.monotonic() + 5
    while bound._held[name] != count:
        assert time.monotonic() < until
        time.sleep(0.005)


class Hosts:
    """Hosts that hang until ``answer`` is set; ``synced`` have been looked at, ``followed`` are other work."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.synced: list[int] = []
        self.followed: list[int] = []

    def sync(self, pk: int) -> None:
        self.answer.wait(10)
        self.synced.append(pk)
        if pk == 2:
            raise ValueError("the engine logs it and goes on")


@pytest.fixture
def hosts(monkeypatch: Patch) -> Iterator[Hosts]:
    found = Hosts()
    offered = {
        "x.sync": Job("x.sync", lambda _: (), found.sync, slow=True),
        "x.plan": Job("x.plan", lambda _: (), found.sync, slow=True),
        "x.follow": Job("x.follow", lambda _: (), found.followed.append, slow=True, lane=LIVE),
        "x.start": Job("x.start", lambda _: (), found.followed.append),
    }
    monkeypatch.setattr(tasks, "jobs", lambda: offered)
    tasks.BOUND.resize(12)
    monkeypatch.setattr(tasks.BOUND, "_stopping", False)
    yield found
    found.answer.set()
    tasks.BOUND.resize(8)


def test_twenty_hosts_that_hang_leave_the_other_threads_of_a_worker_free_and_all_are_done_in_the_end(
    hosts: Hosts,
) -> None:
    with ThreadPoolExecutor(12) as worker:
        for pk in range(20):
            worker.submit(tasks.run_unit, "x.sync", pk)
        worker.submit(tasks.run_unit, "x.follow", 1).result(5)
        assert (hosts.followed, hosts.synced) == ([1], [])
        assert tasks.BOUND._held["x.sync"] == 3
        worker.submit(tasks.run_unit, "x.sync", 19).result(5)  # a second copy of one that is laid aside
        hosts.answer.set()
    assert sorted(hosts.synced) == list(range(20))
    assert tasks.BOUND._held["x.sync"] == 0


def test_several_kinds_of_work_that_hang_leave_threads_for_what_is_followed_and_what_is_short(hosts: Hosts) -> None:
    with ThreadPoolExecutor(12) as worker:
        for pk in range(0, 20, 2):
            worker.submit(tasks.run_unit, "x.sync", pk)
            worker.submit(tasks.run_unit, "x.plan", pk + 1)
        wait_until_held(tasks.BOUND, COMMON, 3)
        worker.submit(tasks.run_unit, "x.follow", 1).result(5)
        worker.submit(tasks.run_unit, "x.start", 2).result(5)
        assert (hosts.followed, hosts.synced) == ([1, 2], [])
        hosts.answer.set()
    assert sorted(hosts.synced) == list(range(20))
    assert tasks.BOUND._held[COMMON] == 0


def test_a_worker_that_ends_begins_nothing_that_was_laid_aside(hosts: Hosts) -> None:
    with ThreadPoolExecutor(4) as worker:
        first = [worker.submit(tasks.run_unit, "x.sync", pk) for pk in range(3)]
        wait_until_held(tasks.BOUND, "x.sync", 3)
        worker.submit(tasks.run_unit, "x.sync", 3).result(5)
        tasks.leave_what_was_laid_aside()
        hosts.answer.set()
        assert [one.result(5) for one in first] == [None] * 3
    assert sorted(hosts.synced) == [0, 1, 2]


def test_what_was_laid_aside_for_long_is_left_to_the_sweeper(hosts: Hosts, monkeypatch: Patch) -> None:
    monkeypatch.setattr(bounding, "FORGOTTEN_AFTER", 0.0)
    with ThreadPoolExecutor(4) as worker:
        first = [worker.submit(tasks.run_unit, "x.sync", pk) for pk in range(3)]
        wait_until_held(tasks.BOUND, "x.sync", 3)
        worker.submit(tasks.run_unit, "x.sync", 3).result(5)
        hosts.answer.set()
        assert [one.result(5) for one in first] == [None] * 3
    assert sorted(hosts.synced) == [0, 1, 2]


@pytest.mark.parametrize(
    ("threads", "common", "live", "others", "one"),
    [(16, 5, 4, 2, 4), (8, 2, 2, 1, 2), (4, 1, 1, 1, 1), (1, 1, 1, 1, 1)],
)
def test_the_bounds_follow_the_threads_of_the_worker(
    threads: int, common: int, live: int, others: int, one: int
) -> None:
    bound = Bound(lambda *_: None, threads)
    assert bound.most == {COMMON: common, LIVE: live, STARTS: others, MERGES: others, COMMANDS: others}
    assert bound.most_of_one == one


def test_all_lanes_together_leave_threads_for_short_work() -> None:
    """From six threads on, as docs/scaling-out.md and the values of the chart say."""
    assert sum(SHARES.values()) < 1
    free = [threads - sum(Bound(lambda *_: None, threads).most.values()) for threads in range(1, 65)]
    assert max(free[:5]) <= 0
    assert min(free[5:]) >= 1


def test_a_thread_that_is_ended_in_the_middle_gives_its_place_back() -> None:
    def end(job: Job, pk: int, _cause: object) -> None:
        job.run(pk)
        if pk == 1:
            raise SystemExit

    done: list[int] = []
    sync, bound = Job("x.sync", lambda _: (), done.append, slow=True), Bound(end, threads=1)
    with pytest.raises(SystemExit):
        bound.do(sync, 1, {})
    bound.do(sync, 2, {})
    assert done == [1, 2]


def test_the_sweeper_sends_what_stays_due_again_only_after_a_pause(monkeypatch: Patch) -> None:
    sent: list[tuple[str, int]] = []
    offered = {
        "x.sync": Job("x.sync", lambda _: (7,), lambda _: None, every=1.0, slow=True),
        "x.follow": Job("x.follow", lambda _: (8,), lambda _: None, every=0.25, slow=True),
    }
    monkeypatch.setattr(dispatching, "jobs", lambda: offered)
    monkeypatch.setattr(dispatching, "send", lambda name, pk: sent.append((name, pk)))
    sweeper = SweepingDispatcher()

    def sweep() -> None:
        sweeper._next_sweep = dict.fromkeys(sweeper.jobs, 0.0)
        sweeper._sweep()
        for name, pk in list(sweeper._wanted):
            sweeper._wanted.pop((name, pk))
            sweeper._run((name, pk))

    for _ in range(3):
        sweep()
    assert sent == [("x.sync", 7), *[("x.follow", 8)] * 3]
    monkeypatch.setattr(dispatching, "SENT_AGAIN_AFTER", 0.0)
    sweep()
    assert sent.count(("x.sync", 7)) == 2
