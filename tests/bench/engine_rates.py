"""What the engine gets done: lines stored, deployments sent, and what more workers bring.

Ratios are to bare INSERTs of the same rows in as many transactions, in the same process; for workers, to one worker's time. SQLite, or the
PostgreSQL database that ``BENCH_DATABASE_URL`` names, which is emptied.
"""

from __future__ import annotations

import json
import os

import psycopg

from tests.bench.measuring import Plan, Result
from tests.support.server import PortalServer

LINES, DISPATCHES, DEPLOYMENTS = 100_000, 100, 40


def run(plan: Plan) -> Result:
    lines, dispatches, deployments = (2_000, 4, 4) if plan.quick else (LINES, DISPATCHES, DEPLOYMENTS)
    database = os.environ.get("BENCH_DATABASE_URL", "")
    result = Result(
        f"Engine on {'PostgreSQL' if database else 'SQLite'} (ratio to bare INSERTs of the same rows; to one worker)"
    )
    place = plan.place / "engine"
    place.mkdir()
    stored = _inside(plan, "store", lines)
    note = f"{lines:,} lines in {stored['seconds']:.2f} s; bare {lines / stored['bare']:,.0f}"
    result.add(
        "lines stored", lines / stored["seconds"], unit="lines/s", ratio=stored["seconds"] / stored["bare"], note=note
    )
    sent = _inside(plan, "dispatch", dispatches)
    note = f"{sent['rows']:.1f} rows each; bare {dispatches / sent['bare']:,.0f}"
    result.add("dispatches", dispatches / sent["seconds"], unit="1/s", ratio=sent["seconds"] / sent["bare"], note=note)
    found = _inside(plan, "workers", deployments)
    for number, seconds in found.items():
        words = f"{deployments} deployments, {number} worker{'' if number == '1' else 's'}"
        result.add(words, seconds, unit="s", ratio=seconds / found["1"])
    return result


def _inside(plan: Plan, what: str, count: int) -> dict[str, float]:
    """A portal of its own for each, so that none meets the rows of another."""
    place = plan.place / "engine" / what
    place.mkdir()
    environment = {
        "PORTAL_POLL_SECONDS": "3600",
        "PORTAL_LEASE_SECONDS": "30",
        "PORTAL_CONNECTION_PLAIN_HTTP": "127.0.0.1",
    }
    if database := os.environ.get("BENCH_DATABASE_URL", ""):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        environment["DATABASE_URL"] = database
    server = PortalServer(place / "data", local_dirs=[place], environment=environment)
    server.migrate()
    found: dict[str, float] = json.loads(
        server.run("-m", "tests.bench.engine_inside", what, str(count), str(place)).splitlines()[-1]
    )
    return found
