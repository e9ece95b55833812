"""The runner of an environment plans Terraform against the real state, with what is marked for plans, and nobody else does."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.changes import services as changes
from apps.changes.effects.reading import difference_of
from apps.changes.models import ChangeRequest, Rendering
from apps.core.errors import InvalidInput
from apps.deployments import services
from apps.deployments.jobs import planning
from apps.deployments.models import Environment
from apps.deployments.planning import runner
from apps.rendering.limits import MIB, Limits
from apps.reviews.queries import verdict_of
from tests.support.delivery import Delivery, run_jobs
from tests.support.effects import render_all
from tests.support.repositories import pushed
from tests.support.terraform_state import StateServer, state_server
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db

USER, PASSWORD, WRITER = "reader-of-states", "pass-of-the-reader-4711", "writer-0815-secret"
PORTAL = """
apiVersion: portal/v1
environments:
  production:
    targets:
      net: {kind: terraform, path: infra, plan: PLANNER}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
MODULE = """
terraform {
  backend "http" {
    address = "ADDRESS/net"
  }
}
resource "terraform_data" "a" {
  input = { size = "small" }
}
resource "terraform_data" "b" {
  input = "stays"
}
resource "terraform_data" "c" {
  input            = "goes"
  triggers_replace = ["one"]
}
"""
CHANGED = (
    MODULE.replace('"small"', '"large"').replace('"one"', '"two"').replace('terraform_data" "b"', 'terraform_data" "d"')
)


@dataclass
class World:
    delivery: Delivery
    server: StateServer
    environment: Environment

    def module(self, text: str) -> dict[str, str]:
        return {"infra/main.tf": text.replace("ADDRESS", self.server.address)}

    def secret(self, name: str, value: str, used_for: str = "plan") -> None:
        carol = self.delivery.people.carol
        services.set_secret(carol, environment=self.environment, name=name, value=value, used_for=used_for)

    def proposed(self, text: str = CHANGED, name: str = "larger") -> ChangeRequest:
        change = self.delivery.proposed(name, self.module(text))
        render_all(change)
        return change

    def planned(self, text: str = CHANGED, name: str = "larger") -> Rendering:
        change = self.proposed(text, name)
        run_jobs("deployments.plan")
        return Rendering.objects.get(revision=change.revision, target="net")


def terraform(folder: Path, *arguments: str) -> bytes:
    own = {"TF_HTTP_USERNAME": USER, "TF_HTTP_PASSWORD": PASSWORD, "TF_CLI_CONFIG_FILE": "/dev/null"}
    line = [str(toolbox().find("terraform")), *arguments]
    return subprocess.run(line, cwd=folder, env={**os.environ, **own}, capture_output=True, check=True).stdout


@pytest.fixture
def server() -> Iterator[StateServer]:
    toolbox("terraform")
    with state_server(USER, PASSWORD) as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, server: StateServer) -> World:
    """What runs was applied with the real tool; its state is on the server."""
    return begun(tmp_path, server, "runner")


def begun(tmp_path: Path, server: StateServer, planner: str) -> World:
    text = MODULE.replace("ADDRESS", server.address)
    (tmp_path / "applied").mkdir()
    (tmp_path / "applied" / "main.tf").write_text(text)
    terraform(tmp_path / "applied", "init", "-input=false")
    terraform(tmp_path / "applied", "apply", "-auto-approve", "-lock=false")
    delivery = Delivery.start(tmp_path, PORTAL.replace("PLANNER", planner), {"infra/main.tf": text})
    run_jobs("deployments.read_environments")
    environment = Environment.objects.get(repository=delivery.repository, name="production")
    world = World(delivery, server, environment)
    world.secret("TF_HTTP_USERNAME", USER)
    world.secret("TF_HTTP_PASSWORD", PASSWORD)
    return world


def test_the_list_is_what_terraform_itself_shows_of_the_real_state(world: World, tmp_path: Path) -> None:
    row = world.planned()
    assert row.state == "rendered", row.message
    folder = tmp_path / "again"
    folder.mkdir()
    (folder / "main.tf").write_text(world.module(CHANGED)["infra/main.tf"])
    terraform(folder, "init", "-input=false")
    terraform(folder, "plan", "-lock=false", "-out=plan")
    shown = json.loads(terraform(folder, "show", "-json", "plan"))
    expected = {
        one["address"]: "replace" if len(one["change"]["actions"]) == 2 else one["change"]["actions"][0]
        for one in shown["resource_changes"]
        if one["change"]["actions"] != ["no-op"]
    }
    difference = difference_of(row)
    assert difference is not None
    assert {change.id.name: change.action.value for change in difference.changes} == expected
    assert sorted(expected.values()) == ["create", "delete", "replace", "update"]
    assert row.facts["tool"][0] == "terraform"
    assert len(row.facts["saved_plan"]) == 64
    assert not any(method != "GET" for method, _ in world.server.asked[-4:])


def test_until_the_runner_has_planned_the_gate_waits_and_the_row_says_for_whom(world: World) -> None:
    change = world.proposed()
    row = Rendering.objects.get(revision=change.revision)
    assert (row.state, row.started_at, row.waits_for) == ("queued", None, "waiting for the runner of production")
    assert not verdict_of(change).allowed
    assert "waiting for the runner of production" in str(verdict_of(change).requirements)
    with pytest.raises(InvalidInput, match="planned by the runner"):
        changes.hand_in_plan(
            world.delivery.people.carol, change=change, revision=1, environment="production", target="net", plan=b"{}"
        )
    changes.cancel_rendering(world.delivery.people.alice, change=change, environment="production", target="net")
    assert run_jobs("deployments.plan") == 0
    changes.render_again(world.delivery.people.alice, change=change, environment="production", target="net")
    assert run_jobs("deployments.plan") == 1
    row.refresh_from_db()
    assert (row.state, row.attempt) == ("rendered", 2)
    world.delivery.approve(change)
    assert verdict_of(change).allowed


def test_a_wrong_password_is_a_state_with_the_tools_message_and_without_the_password(world: World) -> None:
    world.secret("TF_HTTP_PASSWORD", "not-the-password-9931")
    row = world.planned()
    assert (row.state, row.failure) == ("failed", "template")
    assert "requires auth" in row.message
    assert "not-the-password-9931" not in row.message


def test_only_what_is_marked_for_plans_reaches_the_code_of_a_change_and_is_masked_there(world: World) -> None:
    world.secret("TF_VAR_writer", WRITER, "deploy")
    world.secret("TF_VAR_reader", "reader-5521-secret")
    ask = 'variable "writer" { default = "nobody" }\nvariable "reader" { default = "nobody" }\n'
    ask += 'resource "terraform_data" "spy" {\n  input = { w = var.writer, r = "=${var.reader}=", h = base64encode(var.reader) }\n}\n'
    row = world.planned(MODULE + ask)
    assert row.state == "rendered", row.message
    told = str(difference_of(row))
    assert "nobody" in told
    assert "masked" in told
    assert WRITER not in told
    assert "reader-5521" not in told
    assert "cmVhZGVyLTU1MjEtc2VjcmV0" not in told


def test_nothing_of_the_portals_environment_is_visible_to_a_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_own", "of-the-portal-itself")
    row = world.planned(
        MODULE + 'variable "own" { default = "default" }\nresource "terraform_data" "s" { input = var.own }\n'
    )
    told = str(difference_of(row))
    assert "of-the-portal-itself" not in told
    assert "'default'" in told


def test_a_branch_whose_policy_the_default_branch_does_not_share_gets_no_credentials(world: World) -> None:
    work, people = world.delivery.work, world.delivery.people
    work.run("checkout", "-q", "-B", "side", "origin/main")
    portal = PORTAL.replace("PLANNER", "runner").replace("net:", "own:")
    work.commit("mine", files={".gitops/portal.yaml": portal})
    pushed(world.delivery.repository, work, "side:refs/heads/side")
    work.run("checkout", "-q", "-B", "theft", "side")
    work.commit("theft", files=world.module(CHANGED))
    pushed(world.delivery.repository, work, "theft:refs/heads/theft")
    change = changes.create_change(
        people.alice, repository=world.delivery.repository, title="Theft", source_branch="theft", target_branch="side"
    )
    render_all(change)
    asked = len(world.server.asked)
    run_jobs("deployments.plan")
    row = Rendering.objects.get(revision=change.revision)
    assert (row.state, row.failure) == ("failed", "refused")
    assert "gets none of its credentials" in row.message
    assert len(world.server.asked) == asked


def test_a_change_cannot_give_itself_to_the_runner(tmp_path: Path, server: StateServer) -> None:
    world = begun(tmp_path, server, "here")
    asked = len(server.asked)
    change = world.delivery.proposed(
        "theft", {**world.module(CHANGED), ".gitops/portal.yaml": PORTAL.replace("PLANNER", "runner")}
    )
    render_all(change)
    assert run_jobs("deployments.plan") == 0
    row = Rendering.objects.get(revision=change.revision)
    assert (row.planned_by, row.state, row.failure) == ("here", "failed", "unsupported")
    assert len(server.asked) == asked


def test_a_target_of_the_pipeline_waits_for_its_plan(tmp_path: Path, server: StateServer) -> None:
    world = begun(tmp_path, server, "pipeline")
    change = world.proposed()
    row = Rendering.objects.get(revision=change.revision)
    assert row.waits_for == "waiting for a plan from the pipeline"
    assert run_jobs("deployments.plan", "changes.render") == 0
    plan = {"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, "resource_changes": []}
    row = changes.hand_in_plan(
        world.delivery.people.carol, change=change, revision=1, environment="production", target="net",
        plan=json.dumps(plan).encode(),
    )  # fmt: skip
    assert row.state == "rendered"


def test_a_module_without_a_backend_is_not_planned_as_if_there_were_nothing(world: World) -> None:
    row = world.planned('resource "terraform_data" "a" {}\n')
    assert (row.state, row.failure) == ("failed", "missing_input")
    assert "names no backend" in row.message


def test_a_plan_that_takes_too_long_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Limits(wall=0.01, memory=2048 * MIB, address_space=8192 * MIB)
    monkeypatch.setattr(runner, "limits", lambda: quick)
    row = world.planned()
    assert (row.state, row.failure) == ("failed", "timeout")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_plan_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change = world.proposed()
    row = Rendering.objects.get(revision=change.revision)
    calls: list[int] = []
    real, together = planning.make_plan, threading.Barrier(2)

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(planning, "make_plan", counted)

    def work() -> None:
        together.wait()
        try:
            planning.plan(row.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    row.refresh_from_db()
    assert (row.state, calls) == ("rendered", [1])
