"""A repository whose production is a Terraform module with a state on a server of tests, deployed via terraform."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.changes.models import ChangeRequest, Rendering
from apps.deployments import queries, services
from apps.deployments.models import Attempt, Deployment, Environment
from tests.support.delivery import Delivery, run_jobs
from tests.support.terraform_state import StateServer
from tests.support.tools import toolbox

USER, PASSWORD, CANARY = "writer-of-states", "pass-of-the-writer-4711", "canary-of-the-state-0815"
PORTAL = """
apiVersion: portal/v1
environments:
  production:
    targets:
      net: {kind: terraform, path: infra, plan: runner}
    deploy: {via: terraform, target: net, timeout: TIMEOUT}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
MODULE = """
terraform {
  backend "http" {
    address = "ADDRESS/net"
    lock_address = "ADDRESS/lock/net"
    unlock_address = "ADDRESS/lock/net"
  }
}
variable "secret" {
  default   = "CANARY"
  sensitive = true
}
resource "terraform_data" "a" {
  input = { size = "small", password = var.secret }
}
resource "terraform_data" "b" {
  input = "stays"
}
""".replace("CANARY", CANARY)
LARGE = MODULE.replace('"small"', '"large"')


@dataclass
class World:
    delivery: Delivery
    server: StateServer
    folder: Path

    def module(self, text: str) -> dict[str, str]:
        return {"infra/main.tf": text.replace("ADDRESS", self.server.address)}

    def proposed(self, text: str = LARGE, name: str = "larger") -> ChangeRequest:
        """With its plan, not approved yet."""
        change = self.delivery.proposed(name, self.module(text))
        run_jobs()
        run_jobs()
        change.refresh_from_db()
        row = Rendering.objects.get(revision=change.revision)
        assert row.state == "rendered", row.message
        return change

    def merged(self, text: str = LARGE, name: str = "larger") -> Deployment:
        return self.landed(self.proposed(text, name))

    def landed(self, change: ChangeRequest) -> Deployment:
        self.delivery.approve(change)
        change.refresh_from_db()
        services.merge_change(self.delivery.people.alice, change=change)
        run_jobs("deployments.carry_out_merges")
        return self.delivery.deployment(change, "production")

    def elsewhere(self, text: str) -> None:
        """Somebody applies with the tool, past the portal."""
        (self.folder / "main.tf").write_text(self.module(text)["infra/main.tf"])
        terraform(self.folder, "init", "-input=false")
        terraform(self.folder, "apply", "-auto-approve")

    def inputs(self) -> dict[str, Any]:
        """What the state holds."""
        state = json.loads(self.server.states["/net"])
        found = {one["name"]: one["instances"][0]["attributes"]["input"] for one in state["resources"]}
        return {name: value["value"] for name, value in found.items() if value}

    def serial(self) -> int:
        return int(json.loads(self.server.states["/net"])["serial"])


def terraform(folder: Path, *arguments: str) -> None:
    own = {"TF_HTTP_USERNAME": USER, "TF_HTTP_PASSWORD": PASSWORD, "TF_CLI_CONFIG_FILE": "/dev/null"}
    line = [str(toolbox().find("terraform")), *arguments]
    subprocess.run(line, cwd=folder, env={**os.environ, **own}, capture_output=True, check=True)


def begun(
    tmp_path: Path, server: StateServer, *, timeout: str = "1m", portal: str = PORTAL, code: str = MODULE
) -> World:
    """``code`` stands in the repository; :data:`MODULE` is what was applied."""
    (tmp_path / "elsewhere").mkdir()
    files = {"infra/main.tf": code.replace("ADDRESS", server.address)}
    delivery = Delivery.start(tmp_path, portal.replace("TIMEOUT", timeout), files)
    world = World(delivery, server, tmp_path / "elsewhere")
    world.elsewhere(MODULE)
    run_jobs("deployments.read_environments")
    environment = Environment.objects.get(repository=delivery.repository, name="production")
    for name, value in (("TF_HTTP_USERNAME", USER), ("TF_HTTP_PASSWORD", PASSWORD)):
        for used_for in ("plan", "deploy"):
            services.set_secret(
                delivery.people.carol, environment=environment, name=name, value=value, used_for=used_for
            )
    return world


def told(row: Deployment) -> str:
    """All that is kept of a deployment."""
    attempt = Attempt.objects.get(deployment=row, number=row.attempts)
    rows: list[Any] = [
        attempt.external_run,
        attempt.resources,
        row.problem,
        *attempt.steps.values_list("name", "problem"),
    ]
    return json.dumps([*map(str, rows), *(event.text for event in queries.events(row))])
