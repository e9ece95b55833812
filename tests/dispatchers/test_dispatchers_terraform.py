"""``via: terraform`` with the real tool: exactly the plan that was approved is applied, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.changes.effects.reading import difference_of
from apps.deployments import queries, services
from apps.deployments.dispatchers.registry import capabilities_of
from apps.deployments.models import Attempt, Deployment
from apps.rendering.comparing import difference_digest
from apps.rendering.model import ToolIdentity
from tests.support.delivery import run_jobs
from tests.support.outside import step_engine, until
from tests.support.terraform_state import StateServer, state_server
from tests.support.terraform_world import CANARY, LARGE, MODULE, PASSWORD, USER, World, begun, told
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db
SLOW = LARGE.replace(
    "  input = { size",
    '  provisioner "local-exec" {\n    command = "echo $$ >> WITNESS; exec sleep 60"\n  }\n  triggers_replace = ["now"]\n  input = { size',
)


@pytest.fixture
def server() -> Iterator[StateServer]:
    toolbox("terraform")
    with state_server(USER, PASSWORD) as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, server: StateServer) -> World:
    return begun(tmp_path, server)


def ended(row: Deployment) -> Deployment:
    return until(row, "succeeded", "failed", "unknown", "cancelled", seconds=60)


def statuses(row: Deployment) -> list[str]:
    return [str(step.status) for step in queries.steps_of(row)]


def test_the_approved_plan_is_applied(world: World) -> None:
    row = ended(world.merged())
    assert row.status == "succeeded", told(row)
    assert world.inputs()["a"]["size"] == "large"
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("init", "succeeded"), ("plan", "succeeded"), ("compare", "succeeded"), ("apply", "succeeded"),
    ]  # fmt: skip
    said = told(row)
    assert "terraform_data.a: update is done" in said
    assert "terraform_data.a would be updated" in said
    assert CANARY not in said
    assert PASSWORD not in said
    attempt = Attempt.objects.get(deployment=row)
    assert (attempt.sealed_rendering, attempt.sealed_secrets) == ("", "")
    assert capabilities_of("terraform").cancel
    assert not capabilities_of("terraform").from_step


def test_what_was_changed_elsewhere_meanwhile_is_named_and_nothing_is_applied(world: World) -> None:
    change = world.proposed()
    world.elsewhere(MODULE.replace('"small"', '"medium"').replace('"b"', '"c"'))
    serial = world.serial()
    row = ended(world.landed(change))
    assert row.status == "failed"
    assert "What would happen is no longer what was approved of production/net: " in row.problem
    assert "terraform_data.a would be updated with other values than were approved" in row.problem
    assert "terraform_data.c would now be deleted, which was not approved" in row.problem
    assert "Nothing was applied." in row.problem
    assert world.serial() == serial
    assert statuses(row) == ["succeeded", "succeeded", "failed", "skipped"]
    assert CANARY not in told(row)


def test_what_somebody_applied_already_is_not_applied_again(world: World) -> None:
    change = world.proposed()
    world.elsewhere(LARGE)
    serial = world.serial()
    row = ended(world.landed(change))
    assert row.status == "succeeded", told(row)
    assert "There is nothing to do: all of it is there already." in told(row)
    assert world.serial() == serial


@pytest.mark.parametrize(("present", "status"), [(MODULE, "succeeded"), (LARGE, "failed")])
def test_a_target_that_the_change_does_not_reach_needs_an_empty_plan(world: World, present: str, status: str) -> None:
    """As in a first deployment of what is there, or in a change of something else in the repository."""
    world.elsewhere(present)
    serial = world.serial()
    change = world.delivery.proposed("other", {"scripts/other.sh": "true\n"})
    run_jobs()
    assert change.revision is not None
    assert not change.revision.renderings.exists()
    row = ended(world.landed(change))
    assert row.status == status, told(row)
    assert world.serial() == serial
    if status == "failed":
        words = "was never approved: the change does not reach production/net, and terraform_data.a would be updated"
        assert words in row.problem


def test_a_retry_plans_again_and_what_is_left_was_not_approved(world: World, tmp_path: Path) -> None:
    """An apply that failed half-way is not gone on with: what is left is another plan."""
    failing = (
        LARGE
        + 'resource "terraform_data" "z" {\n  depends_on = [terraform_data.a]\n  provisioner "local-exec" {\n    command = "exit 3"\n  }\n}\n'
    )
    row = ended(world.merged(failing))
    assert row.status == "failed"
    assert row.problem.startswith("Applying the plan failed. What was applied until then stays")
    assert world.inputs()["a"]["size"] == "large"
    services.retry(world.delivery.people.carol, deployment=row)
    row = ended(row)
    assert row.status == "failed"
    assert "terraform_data.a would no longer be updated" in row.problem
    assert "terraform_data.z would be replaced, and created was approved" in row.problem


def in_apply(world: World, tmp_path: Path) -> tuple[Deployment, Path]:
    """A deployment in the middle of its apply, and what tells each time that it was begun."""
    witness = tmp_path / "witness"
    row = world.merged(SLOW.replace("WITNESS", str(witness)))
    step_until(witness.exists, row)
    return row, witness


def step_until(is_so: Callable[[], bool], row: Deployment) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, told(row)
        step_engine()
        time.sleep(0.05)
    row.refresh_from_db()


def test_cancelling_lets_terraform_write_its_state_and_release_its_lock(world: World, tmp_path: Path) -> None:
    row, witness = in_apply(world, tmp_path)
    assert world.server.locks
    services.cancel(world.delivery.people.carol, deployment=row)
    row = ended(row)
    assert row.status == "cancelled", told(row)
    assert "Stopped in the middle: apply" in told(row)
    assert world.server.locks == {}
    assert len(witness.read_text().split()) == 1


def test_an_apply_that_takes_too_long_is_interrupted_in_the_same_way(tmp_path: Path, server: StateServer) -> None:
    world = begun(tmp_path, server, timeout="8s")
    row = ended(in_apply(world, tmp_path)[0])
    assert row.status == "failed"
    assert row.problem.startswith("Applying the plan took too long and was interrupted.")
    assert server.locks == {}


@pytest.mark.parametrize("when", ["compare", "apply"])
def test_when_the_machine_dies_a_person_is_asked_and_nothing_is_applied_again(
    world: World, tmp_path: Path, when: str
) -> None:
    if when == "apply":
        row, witness = in_apply(world, tmp_path)
    else:
        witness = tmp_path / "witness"
        row = world.merged(SLOW.replace("WITNESS", str(witness)))
        step_until(lambda: Attempt.objects.filter(deployment=row).exclude(external_run={}).exists(), row)
        step_engine()
        wait_for(tmp_path, "steps/2/started")
    kill_all(tmp_path)
    row = until(row, "unknown", "failed", "succeeded", seconds=30)
    assert row.status == "unknown"
    words = {"compare": "before anything was applied", "apply": "while Terraform applied the plan"}
    assert words[when] in row.problem
    for _ in range(5):
        step_engine()
    assert (len(witness.read_text().split()) if witness.exists() else 0) == (when == "apply")
    services.resolve(world.delivery.people.carol, deployment=row, outcome="failed", reason="I looked.")


def wait_for(tmp_path: Path, name: str) -> None:
    end = time.monotonic() + 60
    while not list(tmp_path.rglob(name)):
        assert time.monotonic() < end
        time.sleep(0.05)


def kill_all(tmp_path: Path) -> None:
    """The supervisor, and with it everything that runs below this directory."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().decode(errors="replace")
            if "supervisor.py" in words and str(tmp_path) in words:
                os.killpg(int(place.name), signal.SIGKILL)


def test_another_build_of_the_tool_is_named(world: World) -> None:
    change = world.proposed()
    row = world.landed(change)
    revision_row = change.revision.renderings.get() if change.revision else None
    assert revision_row is not None
    revision_row.facts = {**revision_row.facts, "tool": ["terraform", "1.2.3", "0" * 64]}
    difference = difference_of(revision_row)
    assert difference is not None
    revision_row.digest = difference_digest(difference, ToolIdentity("terraform", "1.2.3", "0" * 64))
    revision_row.save()
    row = ended(row)
    assert row.status == "failed"
    assert "was approved as terraform 1.2.3 planned it; this worker has terraform 1.11.4" in row.problem


def test_an_effect_that_was_not_planned_is_refused_before_anything_runs(world: World) -> None:
    change = world.proposed()
    row = world.landed(change)
    assert change.revision is not None
    change.revision.renderings.update(planned_by="here")
    asked = len(world.server.asked)
    row = ended(row)
    assert (row.status, len(world.server.asked)) == ("failed", asked)
    assert "was planned without the state of the environment" in row.problem
