"""What of a command's look has to do with the worker alone: folders of broken-off looks, and faults that are no word about health."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.core.waiting import while_waiting
from apps.deployments.dispatchers import Run, checking
from apps.deployments.dispatchers import local as local_module
from apps.deployments.health import Reading
from apps.deployments.jobs import asking
from apps.deployments.jobs import health as health_module
from apps.deployments.jobs.runs import run_of_check
from tests.deployments.test_deployments_health_commands import log_of, passed, yaml
from tests.support.delivery import Delivery, run_jobs
from tests.support.health import look, watched
from tests.support.outside import delivery_via
from tests.support.receiver import SECRET as SIGNED_WITH
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3


def test_a_look_removes_what_broken_off_ones_left(tmp_path: Path, later: Any, data_dir: Path) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true")))
    (home,) = (data_dir / "checks").iterdir()
    (home / "0123" / "home").mkdir(parents=True)  # of a worker that was killed
    (home / "tree.0123").mkdir()
    later(11)
    look(row)
    assert [entry.name for entry in home.iterdir()] == ["tree"]


def broken(_run: Run, _home: Path | None = None) -> None:
    raise OSError(28, "No space left on device")


def test_a_fault_of_the_machine_is_told_and_rolls_nothing_back(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true", otherwise="roll-back")))
    monkeypatch.setattr(checking, "prepare", broken)
    assert passed(row, later).status == "failed"
    assert "whether it is healthy could not be asked: smoke The command could not be run" in row.problem
    assert row.problem.endswith("for what the portal itself could not ask: somebody decides what to do.")
    assert "not asked: The command could not be run" in log_of(row)[-1]
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_time_in_which_the_machine_could_not_ask_is_given_back(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true", otherwise="roll-back")))
    with monkeypatch.context() as patched:
        patched.setattr(checking, "prepare", broken)
        assert passed(row, later, 250).status == "running"  # of 5 minutes
    assert passed(row, later, 130).status == "succeeded"


def test_what_is_not_healthy_beside_such_a_fault_is_rolled_back(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("exit 1", otherwise="roll-back")))
    with monkeypatch.context() as patched:
        patched.setattr(checking, "prepare", broken)
        later(31)
        look(row)
    assert passed(row, later, 500).status == "failed"
    assert row.problem == "It was applied, but is not healthy: smoke exited with 1."
    assert row.rollback_due


def test_a_commit_that_cannot_be_written_to_disk_is_refused_before_anything_is_applied(
    tmp_path: Path, there: Receiver
) -> None:
    deploy = (
        "via: webhook, connection: corp, path: /deploy, timeout: 10m, "
        "health: {checks: [{name: smoke, command: 'true'}], for: 1m, within: 5m}"
    )
    delivery = delivery_via(tmp_path, deploy, kind="webhook", url=there.url, values={"secret": SIGNED_WITH})
    (delivery.work.path / "link").symlink_to("../../outside")
    delivery.work.run("add", "link")
    delivery.work.commit("link")
    delivery.work.push()
    row = delivery.deployment(delivery.merged())
    for _ in range(5):
        look(row)
    assert row.status == "failed"
    assert "is a symbolic link that leads out of the tree" in row.problem
    assert there.requests == []


def test_the_log_of_a_check_that_finds_something_else_each_time_has_a_bound(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "MOST_STORED", 100)
    number = iter(range(100))

    def read(*_given: Any, **_named: Any) -> Reading:
        text = f"exited with {next(number)}"
        return Reading(is_good=False, text=text, lines=("x" * 60,))

    monkeypatch.setattr(asking, "read_command", read)
    row = watched(Delivery.start(tmp_path, yaml("true")))
    for _ in range(9):
        later(25)
        look(row)
    assert row.status == "running"
    told = log_of(row)
    assert told[:2] == [f"{'x' * 60}\nnot ok: exited with {n}" for n in range(2)]
    assert told[2:] == ["not ok: exited with 4", "not ok: exited with 7"]
    monkeypatch.setattr(asking, "read_command", lambda *_, **_named: Reading(is_good=False, text="exited with 9"))
    later(25)
    look(row)
    assert log_of(row)[-1] == "not ok: exited with 9"  # what could not be told before


def test_a_command_ends_with_the_worker_that_asked(tmp_path: Path) -> None:
    """The worker here is another process, which is killed."""
    place = tmp_path / "place"
    for name in ("tree", "home", "tmp", "steps"):
        (place / name).mkdir(parents=True)
    (place / "prepared").touch()
    witness = tmp_path / "witness"
    code = f"""
import json, os, subprocess, sys
step = {{"run": "while true; do date +%s%N > {witness}; sleep 0.05; done", "timeout": 60}}
spec = {{"steps": [step], "from_step": 0, "environment": {{"PATH": os.defpath}}, "fence": None, "owner": os.getpid(),
        "output_limit": 1000, "memory_limit": 1 << 30, "process_limit": 100, "grace": 0.2}}
child = subprocess.Popen([sys.executable, "-I", "-S", {str(local_module.SUPERVISOR)!r}, {str(place)!r}],
                         stdin=subprocess.PIPE, start_new_session=True)
child.communicate(json.dumps(spec).encode())
"""
    worker = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 20
    while not witness.exists() and time.monotonic() < until:
        time.sleep(0.02)
    worker.kill()
    worker.wait()
    while not (place / "steps/0/result.json").exists() and time.monotonic() < until:
        time.sleep(0.02)
    before = witness.read_text()
    time.sleep(0.3)
    assert witness.read_text() == before


def test_what_has_lost_its_worker_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    for name in ("tree", "home", "tmp", "steps"):
        (tmp_path / name).mkdir()
    (tmp_path / "prepared").touch()
    spec = {
        "steps": [{"run": f"touch {tmp_path}/witness", "timeout": 60}], "from_step": 0, "environment": {"PATH": os.defpath},
        "fence": None, "owner": 1 << 30, "output_limit": 1000, "memory_limit": 1 << 30, "process_limit": 100, "grace": 0.2,
    }  # fmt: skip
    subprocess.run(local_module.supervised(tmp_path), input=json.dumps(spec).encode(), check=True)
    assert not (tmp_path / "witness").exists()
    assert not (tmp_path / "steps/0").exists()


def test_what_was_cancelled_before_it_began_does_not_begin(tmp_path: Path, later: Any) -> None:
    witness = tmp_path / "witness"
    delivery = Delivery.start(tmp_path, yaml(f"echo run >> {witness}"))
    row = watched(delivery)
    run = run_of_check(row, row.attempt_rows.get())
    with pytest.raises(Conflict) as stopped:
        checking.run_command(run, f"echo again >> {witness}", 10, lambda: False)
    assert stopped.value.code == "check_stopped"
    assert witness.read_text() == "run\n"


def test_the_lease_is_kept_while_the_commit_is_written_and_while_a_command_is_stopped(
    tmp_path: Path, settings: Any
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true")))
    run, beats = run_of_check(row, row.attempt_rows.get()), []
    checking.forget(row.number)
    with while_waiting(lambda: beats.append(0)):
        checking.prepare(run)
    assert len(beats) >= 2
    settings.PORTAL_STEP_GRACE_SECONDS = 4
    asked = iter([True, False])
    ends: list[float] = []
    with while_waiting(lambda: ends.append(time.monotonic())), pytest.raises(Conflict):
        checking.run_command(run, "trap '' TERM; sleep 20", 15, lambda: next(asked))
    pauses = [after - before for before, after in pairwise([*ends, time.monotonic()])]
    assert max(pauses) < 2
