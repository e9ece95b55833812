"""From ``make run`` to the first page: once with nothing there (told, not aimed at), then with everything set up.

A quick round starts the server alone, without the story, which takes a minute.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.measuring import ROOT, Plan, Result
from tests.support.server import PortalServer, free_port

PATIENCE_SECONDS = 600.0
SECOND_START_MS = 5_000


def run(plan: Plan) -> Result:
    result = Result("Start to the first page, demo organisation included")
    place = plan.place / "start"
    if plan.quick:
        for name in ("first start (no story)", "second start"):
            result.add(name, _start_alone(place))
        return result
    command = ["make", "run", f"PYTHON={sys.executable}"]
    result.add("first start (tells the story)", _start(command, place))
    seconds = [_start(command, place) for _ in range(3)]
    result.add("second start", sorted(seconds)[len(seconds) // 2], aim=SECOND_START_MS, note=" ".join(command[:2]))
    return result


def _start_alone(place: Path) -> float:
    started = time.monotonic()
    PortalServer(place, local_dirs=[]).start().stop()
    return (time.monotonic() - started) * 1_000


def _start(command: list[str], place: Path) -> float:
    """Milliseconds until the page that a browser would end on answers."""
    port = free_port()
    place.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PORTAL_DATA_DIR": str(place), "PORT": str(port), "DATABASE_URL": "", "REDIS_URL": ""}
    started = time.monotonic()
    with (place / "start.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while not _answers(port):
            assert process.poll() is None, (place / "start.log").read_text()[-2000:]
            assert time.monotonic() - started < PATIENCE_SECONDS, "it did not start"
            time.sleep(0.02)
        return (time.monotonic() - started) * 1_000
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/accounts/login/")
        return connection.getresponse().status == 200
    except (ConnectionError, http.client.HTTPException):
        return False
    finally:
        connection.close()
