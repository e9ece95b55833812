"""From the commit of an event to its receipt by every viewer: 1, 100, 500 and 2,000 viewers, four events a second.

One server process, sockets from a second process, events committed by a thread of the server as its engine does. The ratio is to one viewer.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.bench.log_fan_out import seeded, socket_clients, wait_for
from tests.bench.measuring import Plan, Result, percentile
from tests.bench.portal import Person, served

VIEWERS = (1, 100, 500, 2_000)
RATE, SECONDS = 4.0, 5.0


def run(plan: Plan) -> Result:
    viewers, seconds = ((1, 20), 1.0) if plan.quick else (VIEWERS, SECONDS)
    result = Result(f"Event to screen, {RATE:g} events/s for {seconds:g} s (ratio to one viewer)")
    base = 0.0
    for count in viewers:
        delays, lost = _delays(plan.place / f"latency-{count}", count, seconds)
        p95 = percentile(delays, 0.95)
        base = base or p95
        note = (
            f"p50 {percentile(delays, 0.5):.1f} ms, slowest {max(delays):.1f} ms, {lost} of {len(delays) + lost:,} lost"
        )
        result.add(f"{count:,} viewers: p95", p95, ratio=p95 / base, note=note)
    return result


def _delays(place: Path, count: int, seconds: float) -> tuple[list[float], int]:
    order, stop, out, committed = place / "order", place / "stop", place / "seen", place / "committed"
    application = "tests.bench.writing_server:application"
    with served(place, PORTAL_ENGINE="none", BENCH_LINES=str(order), application=application) as server:
        deployment = seeded(server)
        with Person(server, "carol") as person:
            cookie = f"sessionid={person.cookies['sessionid']}"
            with socket_clients(server.port, cookie, "/ws/deployments/1/", count, out, stop):
                order.with_suffix(".part").write_text("\n".join(map(str, (deployment, RATE, seconds, committed))))
                order.with_suffix(".part").rename(order)
                wait_for(committed, seconds + 60)
                time.sleep(2)
                stop.touch()
                wait_for(out, 60)
    moments = {int(seq): moment for seq, moment in json.loads(committed.read_text()).items()}
    body = json.loads(out.read_text())
    delays = [
        (moment - moments[seq]) * 1_000
        for received in body["received"]
        for frame, moment in received
        for seq in body["frames"][frame]
    ]
    return delays, count * len(moments) - len(delays)
