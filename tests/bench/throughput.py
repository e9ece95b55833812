"""Eight reviewers at once on a medium difference, one server process; and what a large one costs it in memory.

Each client keeps its connection and its sign-in. "Recomputed": every request asks for a difference that was never rendered;
"cached": all ask for the same. cgit answers the same differences side by side, eight of its programs at once.
Ratios are seconds for a request, ours by cgit's, so a third is three times as many requests a second.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.cgit import Cgit, install
from tests.bench.measuring import Plan, Result
from tests.bench.portal import Person, changes_of, served
from tests.bench.whole_diff import WHOLE
from tests.support.server import PortalServer

CLIENTS = 8
RECOMPUTED_AIM, CACHED_AIM = 1 / 3, 1 / 30
SERVER_MB, GIT_MB = 100, 64


def run(plan: Plan) -> Result:
    requests = CLIENTS if plan.quick else 64
    result = Result(f"{CLIENTS} clients on a medium difference, one server process (whole, side by side)")
    missing = install()
    place = plan.place / "throughput"
    with served(place, PORTAL_ENGINE="none") as server:
        server.person("carol", "--connect-repositories")
        server.person("alice")
        people = [Person(server, "carol") for _ in range(CLIENTS)]
        numbers = changes_of(server, place, "medium", "medium", requests, plan)
        recomputed = _each(requests, lambda at: people[at % CLIENTS].get(WHOLE.format(numbers[at]), fragment=True))
        cached = _each(requests * 4, lambda at: people[at % CLIENTS].get(WHOLE.format(numbers[0]), fragment=True))
        peer = 0.0
        if not missing:
            cgit = Cgit(place / "medium.git", place)
            peer = _each(requests, lambda at: cgit.diff("main", f"variant-{at}"))
            result.add("cgit side by side", 1_000 / peer, unit="req/s")
        for what, each, aim in (("recomputed", recomputed, RECOMPUTED_AIM), ("cached", cached, CACHED_AIM)):
            ratio = {"ratio": each / peer, "aim": aim} if peer else {}
            result.add(what, 1_000 / each, unit="req/s", **ratio, note=missing and f"NOT compared: {missing}")
        _memory(result, server, people[0], plan, place)
    return result


def _each(count: int, ask: Callable[[int], object]) -> float:
    """Milliseconds for each of ``count`` requests when :data:`CLIENTS` of them are under way at a time."""
    lanes: Sequence[range] = [range(lane, count, CLIENTS) for lane in range(CLIENTS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda lane: [ask(at) for at in lane], lanes))
    return (time.perf_counter() - started) * 1_000 / count


def _memory(result: Result, server: PortalServer, person: Person, plan: Plan, place: Path) -> None:
    """The most memory that the server and each of its Git processes held, after a large difference was sent whole."""
    (number,) = changes_of(server, place, "large", "large", 1, plan)
    person.get(WHOLE.format(number), fragment=True)
    result.add("server, most memory", _megabytes(server.pid), unit="MB", aim=SERVER_MB)
    children = [pid for pid in _children(server.pid) if b"git" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    result.add("its largest Git process", max(map(_megabytes, children), default=0.0), unit="MB", aim=GIT_MB)


def _megabytes(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
