"""What of a command's look has to do with the worker alone: folders of broken-off looks, and faults that are no word about health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments.dispatchers import Run, checking
from apps.deployments.health import Reading
from apps.deployments.jobs import health as health_module
from tests.deployments.test_deployments_health_commands import log_of, look, passed, watched, yaml
from tests.support.delivery import Delivery, run_jobs
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


def broken(_run: Run) -> None:
    raise OSError(28, "No space left on device")


def test_a_fault_of_the_machine_is_told_and_rolls_nothing_back(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true", otherwise="roll-back")))
    monkeypatch.setattr(checking, "prepare", broken)
    assert passed(row, later).status == "failed"
    assert "whether it is healthy could not be asked: smoke The command could not be run" in row.problem
    assert row.problem.endswith("for a fault of the portal's machine: somebody decides what to do.")
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

    def read(*_given: Any) -> Reading:
        text = f"exited with {next(number)}"
        return Reading(is_good=False, text=text, lines=("x" * 60,))

    monkeypatch.setattr(health_module, "read_command", read)
    row = watched(Delivery.start(tmp_path, yaml("true")))
    for _ in range(9):
        later(25)
        look(row)
    assert row.status == "running"
    told = log_of(row)
    assert told[:2] == [f"{'x' * 60}\nnot ok: exited with {n}" for n in range(2)]
    assert told[2:] == ["not ok: exited with 4", "not ok: exited with 7"]
    monkeypatch.setattr(health_module, "read_command", lambda *_: Reading(is_good=False, text="exited with 9"))
    later(25)
    look(row)
    assert log_of(row)[-1] == "not ok: exited with 9"  # what could not be told before
