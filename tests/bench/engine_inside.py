"""What the benchmark of the engine does inside of a portal: ``python -m tests.bench.engine_inside WHAT COUNT PLACE``; prints JSON.

``store``: seconds in which a look takes over COUNT lines of a step that has ended. ``dispatch``: seconds in which COUNT deployments are judged,
claimed and sent to a real receiver of webhooks, one after the other. Both with the seconds of bare INSERTs of the same rows, in as many
transactions. ``workers``: seconds from the landing of a change to the end of its COUNT local deployments, with 1, 2 and 4 engine processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
ENVIRONMENT = "  e{number:03}: {{deploy: {{{deploy}}}}}\n"
RULES = "rules:\n  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}\n"
PATIENCE = 300.0


def policy(count: int, deploy: str) -> str:
    rows = "".join(ENVIRONMENT.format(number=number, deploy=deploy) for number in range(count))
    return f"apiVersion: portal/v1\nenvironments:\n{rows}{RULES}"


def store(count: int, place: Path) -> dict[str, float]:
    from apps.deployments.models import Deployment, DeploymentEvent
    from apps.worker.registry import jobs
    from tests.support.delivery import Delivery, run_jobs

    go = place / "go"  # nothing is printed while the first look begins the run: it would store that already
    step = f"until [ -e {go} ]; do sleep 0.05; done; seq -f 'line %.0f applied service in 0.3 s' {count}"
    delivery = Delivery.start(place, policy(1, f'steps: [{{name: apply, run: "{step}", timeout: 5m}}]'))
    row = delivery.deployment(delivery.merged(), "e000")
    run_jobs("deployments.start")
    follow = jobs()["deployments.follow"]
    follow.run(row.pk)
    go.touch()
    while not list(Path(os.environ["PORTAL_DATA_DIR"]).glob("runs/*/*/steps/0/result.json")):
        time.sleep(0.05)
    began = time.perf_counter()
    while Deployment.objects.get(pk=row.pk).status in {"dispatching", "running"}:
        follow.run(row.pk)
    seconds = time.perf_counter() - began
    events = DeploymentEvent.objects.filter(deployment=row, kind="log")
    lines = sum(event.data["lines"] for event in events)
    assert lines == count, lines
    return {"seconds": seconds, "bare": bare([[(DeploymentEvent, event.pk)] for event in events])}


def dispatch(count: int, place: Path) -> dict[str, float]:
    from apps.audit.models import AuditEntry
    from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
    from apps.worker.registry import jobs
    from tests.support.outside import delivery_via
    from tests.support.receiver import SECRET, receiver

    with receiver() as there:
        deploy = "via: webhook, connection: corp, path: /deploy, payload: {}, timeout: 10m"
        delivery = delivery_via(place, deploy, kind="webhook", url=there.url, values={"secret": SECRET})
        delivery.work.commit("many", files={".gitops/portal.yaml": policy(count, deploy)})
        delivery.work.push("HEAD:refs/heads/main")
        delivery.merged()
        keys = list(Deployment.objects.filter(status="pending").values_list("pk", flat=True))
        assert len(keys) == count, len(keys)
        first = AuditEntry.objects.latest("pk").pk
        start, follow = jobs()["deployments.start"], jobs()["deployments.follow"]
        began = time.perf_counter()
        for pk in keys:
            start.run(pk)
            follow.run(pk)
        seconds = time.perf_counter() - began
        assert len(there.started()) == count
    units = []
    entries = list(AuditEntry.objects.filter(pk__gt=first).values_list("pk", flat=True))
    each = max(1, len(entries) // count)
    for at, pk in enumerate(keys):
        rows: list[tuple[Any, Any]] = [(Attempt, one.pk) for one in Attempt.objects.filter(deployment=pk)]
        rows += [(Step, one.pk) for one in Step.objects.filter(attempt__deployment=pk)]
        rows += [(DeploymentEvent, one.pk) for one in DeploymentEvent.objects.filter(deployment=pk)]
        units.append([*rows, *((AuditEntry, entry) for entry in entries[at * each : (at + 1) * each])])
    return {"seconds": seconds, "bare": bare(units), "rows": sum(map(len, units)) / count}


def bare(units: Iterable[list[tuple[Any, Any]]]) -> float:
    """Seconds for the same rows once more, into tables without index or constraint; one transaction for each unit."""
    from django.db import connection, transaction

    units = list(units)
    with connection.cursor() as cursor:
        for table in {model._meta.db_table for unit in units for model, _ in unit}:
            cursor.execute(f"CREATE TABLE bench_{table} AS SELECT * FROM {table} WHERE 1 = 0")
        began = time.perf_counter()
        for unit in units:
            with transaction.atomic():
                for model, pk in unit:
                    table, key = model._meta.db_table, model._meta.pk.column
                    cursor.execute(f"INSERT INTO bench_{table} SELECT * FROM {table} WHERE {key} = %s", [pk])
        return time.perf_counter() - began


def workers(count: int, place: Path) -> dict[str, float]:
    from apps.deployments import services
    from apps.deployments.models import Deployment
    from tests.support.delivery import Delivery

    delivery = Delivery.start(place, policy(count, "steps: [{name: apply, run: 'true', timeout: 1m}]"))
    found = {}
    for number in (1, 2, 4):
        change = delivery.approved(f"by-{number}")
        with engines(number):
            services.merge_change(delivery.people.alice, change=change)
            mine, until = Deployment.objects.filter(change=change), time.monotonic() + PATIENCE
            while mine.filter(ended_at__isnull=False).count() < count:
                assert time.monotonic() < until, list(mine.values_list("status", flat=True))
                time.sleep(0.1)
        assert set(mine.values_list("status", flat=True)) == {"succeeded"}
        moments = mine.values_list("queued_at", "ended_at")
        found[str(number)] = (max(end for _, end in moments) - min(begin for begin, _ in moments)).total_seconds()
    return found


@contextmanager
def engines(count: int) -> Iterator[None]:
    command = [sys.executable, "manage.py", "run_engine"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        for one in running:
            assert one.stdout is not None
            one.stdout.readline()
        yield
    finally:
        for one in running:
            one.kill()
            one.communicate()


if __name__ == "__main__":
    django.setup()
    what = {"store": store, "dispatch": dispatch, "workers": workers}[sys.argv[1]]
    print(json.dumps(what(int(sys.argv[2]), Path(sys.argv[3]))))
