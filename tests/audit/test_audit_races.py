"""Writers at the same time: one chain, no gap."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from apps.audit.actors import SYSTEM
from apps.audit.models import AuditEntry
from apps.audit.services import lock_head, record
from apps.audit.verification import verify
from tests.support.publishing import acts, publish_here

ROOT = Path(__file__).resolve().parents[2]
WRITERS, EACH = 4, 25
WRITE = """
import django; django.setup()
from django.db import transaction
from apps.audit.actors import SYSTEM
from apps.audit.services import record
import sys
print("ready", flush=True); sys.stdin.readline()
for n in range(25):
    with transaction.atomic():
        record(SYSTEM, "change.requested", summary=f"{sys.argv[1]} {n}")
"""


def roll_back() -> None:
    with transaction.atomic():
        record(SYSTEM, "change.withdrawn", summary="rolled back")
        transaction.set_rollback(True)


def write_in_threads() -> None:
    start = threading.Barrier(WRITERS)
    problems: list[Exception] = []

    def work(name: int) -> None:
        try:
            start.wait(timeout=30)
            for number in range(EACH):
                with transaction.atomic():
                    record(SYSTEM, "change.requested", summary=f"{name} {number}")
                if number % 5 == 0:
                    roll_back()
        except Exception as error:  # noqa: BLE001 - shown by the test
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not problems


def assert_gapless(total: int) -> None:
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, total + 1))
    report = verify()
    assert report.ok, report.problem
    assert report.entries == total


@pytest.mark.django_db(transaction=True)
def test_threads_write_one_gapless_chain():
    write_in_threads()
    assert_gapless(WRITERS * EACH)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_threads_write_one_gapless_chain_on_postgresql():
    assert connection.vendor == "postgresql"
    write_in_threads()
    assert_gapless(WRITERS * EACH)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_git_that_is_slow_keeps_no_other_writer_waiting(settings, tmp_path, monkeypatch):
    """The first look of a new process at what is published."""
    publish_here(settings, tmp_path, monkeypatch)
    looks, answer = threading.Event(), threading.Event()

    def slow() -> None:
        looks.set()
        assert answer.wait(30)

    def of_another_process() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
        lock_head()

    with monkeypatch.context() as patched, ThreadPoolExecutor(1) as threads:
        patched.setattr("apps.audit.published.read", slow)
        fresh = threads.submit(_acts_alone)
        assert looks.wait(30)
        with transaction.atomic():
            of_another_process()
        answer.set()
        fresh.result(30)
    assert_gapless(1)


def _acts_alone() -> None:
    try:
        acts(1)
    finally:
        connections.close_all()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_postgresql_refuses_to_truncate():
    with transaction.atomic():
        record(SYSTEM, "change.requested", summary="x")
    with pytest.raises(Exception, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE audit_auditentry")
    assert verify().ok


@pytest.mark.slow
def test_processes_write_one_gapless_chain_into_one_sqlite_file(tmp_path):
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "gitops_portal.settings",
        "PORTAL_DATA_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("migrate", "audit", "-v0")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(number)],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(3)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.stderr.read()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    assert run("verify_audit_log").startswith("ok: 75 entries, head #75 ")
