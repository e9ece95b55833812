"""A live log watched by 500 sockets at 20 lines a second: from the commit of a line to its receipt by each viewer.

Real server, real sockets from a second process. Embedded: the lines are committed by a thread of the server process, as
the embedded engine does. With Redis (where a ``redis-server`` can be had): two server processes with half of the sockets
each, and a third process that commits. Every viewer must get every line exactly once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.measuring import ROOT, Plan, Result, percentile
from tests.bench.portal import Person, another_process, served
from tests.support.server import PortalServer, free_port

SOCKETS, RATE, SECONDS = 500, 20.0, 20.0
SETTLE_SECONDS = 3.0


def run(plan: Plan) -> Result:
    sockets, seconds = (20, 1.0) if plan.quick else (SOCKETS, SECONDS)
    result = Result(f"Live log: {sockets} sockets, {RATE:g} lines/s for {seconds:g} s (commit to receipt)")
    _embedded(result, plan.place / "fan-out", sockets, seconds)
    if shutil.which("redis-server"):
        _two_processes(result, plan.place / "fan-out-redis", sockets, seconds)
    else:
        result.add("Redis, two processes", 0, note="NOT RUN: there is no redis-server")
    return result


def _embedded(result: Result, place: Path, sockets: int, seconds: float) -> None:
    order, stop = place / "order", place / "stop"
    application = "tests.bench.writing_server:application"
    with served(place, PORTAL_ENGINE="none", BENCH_LINES=str(order), application=application) as server:
        deployment = seeded(server)
        with Person(server, "carol") as person, _clients(server, person, sockets, place / "seen-0", stop):
            committed = place / "committed"
            order.with_suffix(".part").write_text("\n".join(map(str, (deployment, RATE, seconds, committed))))
            order.with_suffix(".part").rename(order)
            wait_for(committed, seconds + 60)
            time.sleep(SETTLE_SECONDS)
            stop.touch()
            wait_for(place / "seen-0", 60)
    _judge(result, "embedded, one process", committed, [place / "seen-0"])


def _two_processes(result: Result, place: Path, sockets: int, seconds: float) -> None:
    stop, committed = place / "stop", place / "committed"
    seen = [place / "seen-0", place / "seen-1"]
    with ExitStack() as stack:
        url = stack.enter_context(own_redis())
        first = stack.enter_context(served(place, PORTAL_ENGINE="none", REDIS_URL=url))
        second = stack.enter_context(another_process(first))
        deployment = seeded(first)
        for server, out in zip((first, second), seen, strict=True):
            person = stack.enter_context(Person(server, "carol"))
            stack.enter_context(_clients(server, person, sockets // 2, out, stop))
        first.run("-m", "tests.bench.append_lines", str(deployment), str(RATE), str(seconds), str(committed))
        time.sleep(SETTLE_SECONDS)
        stop.touch()
        for out in seen:
            wait_for(out, 60)
    _judge(result, "Redis, two processes", committed, seen)


def seeded(server: PortalServer) -> int:
    server.person("carol")
    return int(server.run("-m", "tests.bench.seeding", "deployment").splitlines()[-1])


@contextmanager
def _clients(server: PortalServer, person: Person, count: int, out: Path, stop: Path) -> Iterator[None]:
    cookie = f"sessionid={person.cookies['sessionid']}"
    with socket_clients(server.port, cookie, "/ws/deployments/1/", count, out, stop):
        yield


@contextmanager
def socket_clients(port: int, cookie: str, path: str, count: int, out: Path, stop: Path) -> Iterator[None]:
    """``count`` open sockets in a process of their own, until ``stop`` appears; what they got is then in ``out``."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.socket_clients",
        str(port),
        cookie,
        path,
        str(count),
        str(stop),
        str(out),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the sockets could not be opened"
        yield
    finally:
        process.kill()
        process.communicate()


@contextmanager
def own_redis() -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def wait_for(path: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not written within {seconds:g} s"
        time.sleep(0.1)
    time.sleep(0.2)


def _judge(result: Result, name: str, committed: Path, seen: list[Path]) -> None:
    moments = {int(seq): moment for seq, moment in json.loads(committed.read_text()).items()}
    delays: list[float] = []
    lost = repeated = closed = 0
    for path in seen:
        body = json.loads(path.read_text())
        closed += len(body["closed"])
        for received in body["received"]:
            got = [(seq, moment) for frame, moment in received for seq in body["frames"][frame]]
            numbers = [seq for seq, _ in got]
            lost += len(set(moments) - set(numbers))
            repeated += len(numbers) - len(set(numbers))
            delays += [(moment - moments[seq]) * 1_000 for seq, moment in got]
    result.add(f"{name}: p50", percentile(delays, 0.5), note=f"{len(delays):,} deliveries")
    result.add(f"{name}: p95", percentile(delays, 0.95), aim=50)
    result.add(f"{name}: slowest", max(delays))
    result.add(f"{name}: lines lost", lost, unit="lines", aim=0)
    result.add(f"{name}: lines repeated", repeated, unit="lines", aim=0)
    result.add(f"{name}: sockets closed", closed, unit="sockets", aim=0)
