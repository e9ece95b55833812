"""As many deliveries a second as can be had: the portal's live log against Channels groups over Redis, in the same run.

500 sockets from other processes, one server process and two, one Redis. Lines are written as fast as they are taken: by the portal
one event a line and twenty events a transaction, by Channels one message to the group a line. A delivery is one line at one socket; counted from the
first line's send to the last receipt. Channels may drop messages of a full queue: only what arrived counts for it. A ratio is
the portal's time for a delivery, by Channels', so an eighth is eight times as many.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.bench.log_fan_out import own_redis, seeded, socket_clients, wait_for
from tests.bench.measuring import ROOT, Plan, Result
from tests.bench.portal import Person, another_process, served
from tests.support.server import free_port

SOCKETS, LINES, FEW_LINES = 500, 400, 100
TOGETHER = 20
"""Lines that a look of the recorder finds new and stores in one transaction when a step prints fast; here still one event a line."""
AIM = 1 / 8
QUIET_SECONDS = 3.0


def run(plan: Plan) -> Result:
    sockets, lines, few = (20, 40, 20) if plan.quick else (SOCKETS, LINES, FEW_LINES)
    result = Result(f"Live log at full speed: {sockets} sockets (ratio to Channels groups over Redis)")
    for servers in (1, 2):
        if not shutil.which("redis-server"):
            result.add(f"server processes: {servers}", 0, note="NOT RUN: there is no redis-server")
            continue
        peer, peer_note = _channels(plan.place / f"channels-{servers}", servers, sockets, few)
        ours, note = _portal(plan.place / f"burst-{servers}", servers, sockets, lines)
        words = "one process" if servers == 1 else "two processes"
        result.add(f"Channels groups, {words}", peer, unit="del./s", note=peer_note)
        result.add(f"portal, {words}", ours, unit="del./s", ratio=peer / ours, aim=AIM, note=note)
    return result


def _portal(place: Path, servers: int, sockets: int, lines: int) -> tuple[float, str]:
    stop, committed = place / "stop", place / "committed"
    seen = [place / f"seen-{number}" for number in range(servers)]
    with ExitStack() as stack:
        url = stack.enter_context(own_redis())
        first = stack.enter_context(served(place, PORTAL_ENGINE="none", REDIS_URL=url))
        deployment = seeded(first)
        portals = [first, *(stack.enter_context(another_process(first)) for _ in range(servers - 1))]
        for server, out in zip(portals, seen, strict=True):
            person = stack.enter_context(Person(server, "carol"))
            cookie = f"sessionid={person.cookies['sessionid']}"
            stack.enter_context(
                socket_clients(server.port, cookie, "/ws/deployments/1/", sockets // servers, out, stop)
            )
        arguments = (deployment, 100_000, lines / 100_000, committed, TOGETHER)
        first.run("-m", "tests.bench.append_lines", *map(str, arguments))
        return _collected(stop, committed, seen, sockets, lines)


def _channels(place: Path, servers: int, sockets: int, lines: int) -> tuple[float, str]:
    place.mkdir(parents=True)
    stop, sent = place / "stop", place / "sent"
    seen = [place / f"seen-{number}" for number in range(servers)]
    with ExitStack() as stack:
        environment = {**os.environ, "REDIS_URL": stack.enter_context(own_redis()), "PYTHONWARNINGS": "ignore"}
        for out in seen:
            port = stack.enter_context(_peer(environment))
            stack.enter_context(socket_clients(port, "", "/", sockets // servers, out, stop))
        command = [sys.executable, "-m", "tests.bench.channels_peer", str(lines), str(sent)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        return _collected(stop, sent, seen, sockets, lines)


@contextmanager
def _peer(environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.channels_peer:application", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "error", "--lifespan", "off"], cwd=ROOT, env=environment)
    try:
        until = time.monotonic() + 30
        while not _listens(port):
            assert time.monotonic() < until, "the peer did not start"
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _collected(stop: Path, sent: Path, seen: list[Path], sockets: int, lines: int) -> tuple[float, str]:
    """Deliveries a second, and how many did not arrive."""
    wait_for(sent, 120)
    time.sleep(QUIET_SECONDS + sockets * lines / 20_000)
    stop.touch()
    for out in seen:
        wait_for(out, 120)
    began = min(json.loads(sent.read_text()).values())
    found = [_received(out) for out in seen]
    count, last = sum(one.count for one in found), max(one.last for one in found)
    lost = sockets * lines - count
    return count / (last - began), f"{count:,} deliveries in {last - began:.2f} s, {lost:,} lost"


def _received(out: Path) -> Any:
    body = json.loads(out.read_text())
    count, last = 0, 0.0
    for received in body["received"]:
        numbers = {seq for frame, _ in received for seq in body["frames"][frame]}
        count += len(numbers)
        last = max([last, *(moment for frame, moment in received if body["frames"][frame])])
    return SimpleNamespace(count=count, last=last)
