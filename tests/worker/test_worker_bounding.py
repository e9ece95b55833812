"""On Celery, too, one kind of work leaves threads for the others, and what waits in a queue is not sent there again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.core.work import Job
from apps.worker import bounding, dispatching, tasks
from apps.worker.bounding import Bound
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
        "x.follow": Job("x.follow", lambda _: (), found.followed.append, slow=True),
    }
    monkeypatch.setattr(tasks, "jobs", lambda: offered)
    monkeypatch.setattr(tasks, "BOUND", Bound(most=3))
    yield found
    found.answer.set()


def test_twenty_hosts_that_hang_leave_the_other_threads_of_a_worker_free_and_all_are_done_in_the_end(
    hosts: Hosts,
) -> None:
    with ThreadPoolExecutor(8) as worker:
        for pk in range(20):
            worker.submit(tasks.run_unit, "x.sync", pk)
        worker.submit(tasks.run_unit, "x.follow", 1).result(5)
        assert (hosts.followed, hosts.synced) == ([1], [])
        assert tasks.BOUND._held["x.sync"] == 3
        worker.submit(tasks.run_unit, "x.sync", 19).result(5)  # a second copy of one that is laid aside
        hosts.answer.set()
    assert sorted(hosts.synced) == list(range(20))
    assert tasks.BOUND._held["x.sync"] == 0


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


@pytest.mark.parametrize(("threads", "most"), [(8, 3), (16, 6), (4, 1), (1, 1)])
def test_the_bound_follows_the_threads_of_the_worker(threads: int, most: int) -> None:
    bound = Bound(most=3)
    bound.resize(threads)
    assert bound.most == most


def test_a_thread_that_is_ended_in_the_middle_gives_its_place_back() -> None:
    bound = Bound(most=1)

    def end(_pk: int, _cause: object) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        bound.do("x.sync", 1, {}, end)
    done: list[int] = []
    bound.do("x.sync", 2, {}, lambda pk, _cause: done.append(pk))
    assert done == [2]


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
