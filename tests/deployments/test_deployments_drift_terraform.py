"""Real Terraform refreshes the real state, with what is marked for plans, at the commit that was deployed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.deployments import services
from apps.deployments.models import DriftCheck, Environment
from apps.deployments.queries.drift import Drift, drift_of
from tests.support.delivery import Delivery, run_jobs, run_until_idle
from tests.support.drifting import CHECK, landed
from tests.support.terraform_state import StateServer, state_server
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db(transaction=True)

USER, PASSWORD, CANARY = "reader-of-states", "pass-of-the-reader-4711", "word-that-nobody-may-read"
PORTAL = """
apiVersion: portal/v1
environments:
  production:
    targets:
      net: {kind: terraform, path: infra, plan: PLANNER}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
OTHERS = """
terraform {
  backend "http" {
    address = "ADDRESS/others"
  }
}
output "size" { value = "small" }
output "word" {
  value     = "CANARY-1"
  sensitive = true
}
"""
MODULE = """
terraform {
  backend "http" {
    address = "ADDRESS/net"
  }
}
data "terraform_remote_state" "others" {
  backend = "http"
  config  = { address = "ADDRESS/others" }
}
resource "terraform_data" "a" {
  input = "stays"
}
output "size" { value = data.terraform_remote_state.others.outputs.size }
output "word" {
  value     = data.terraform_remote_state.others.outputs.word
  sensitive = true
}
"""


@dataclass
class World:
    delivery: Delivery
    server: StateServer
    others: Path
    environment: Environment

    def check(self) -> Drift:
        services.ask_drift_check(self.delivery.people.alice, environment=self.environment)
        assert run_jobs(CHECK) == 1
        return drift_of([self.environment])[self.environment.pk]

    @property
    def latest(self) -> DriftCheck:
        return DriftCheck.objects.get(is_latest=True)

    def secret(self, name: str, value: str) -> None:
        carol = self.delivery.people.carol
        services.set_secret(carol, environment=self.environment, name=name, value=value, used_for="plan")


def applied(folder: Path, text: str) -> Path:
    own = {"TF_HTTP_USERNAME": USER, "TF_HTTP_PASSWORD": PASSWORD, "TF_CLI_CONFIG_FILE": "/dev/null"}
    folder.mkdir(exist_ok=True)
    (folder / "main.tf").write_text(text)
    for words in (("init", "-input=false"), ("apply", "-auto-approve", "-lock=false")):
        line = [str(toolbox().find("terraform")), *words]
        subprocess.run(line, cwd=folder, env={**os.environ, **own}, capture_output=True, check=True)
    return folder


@pytest.fixture
def server() -> Iterator[StateServer]:
    toolbox("terraform")
    with state_server(USER, PASSWORD) as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, server: StateServer) -> World:
    """Two modules were applied with the real tool; one reads what the other says. Their states are on the server."""
    others = applied(tmp_path / "others", OTHERS.replace("ADDRESS", server.address).replace("CANARY", CANARY))
    module = MODULE.replace("ADDRESS", server.address)
    applied(tmp_path / "net", module)
    delivery = Delivery.start(tmp_path, PORTAL.replace("PLANNER", "runner"), {"infra/main.tf": module})
    run_jobs("deployments.read_environments")
    world = World(delivery, server, others, Environment.objects.select_related("repository").get(name="production"))
    world.secret("TF_HTTP_USERNAME", USER)
    world.secret("TF_HTTP_PASSWORD", PASSWORD)
    landed(delivery, "first", {"infra/main.tf": f"# Nothing else is other.\n{module}"})
    run_until_idle()
    world.environment.refresh_from_db()
    assert world.environment.live_commit
    return world


def test_terraform_tells_what_is_there_against_what_was_applied(world: World) -> None:
    assert (world.check().state, world.latest.why) == ("in_sync", "")
    assert (world.latest.target, world.latest.way) == ("net", "terraform")
    text = (world.others / "main.tf").read_text()
    applied(world.others, text.replace("small", "large").replace(f"{CANARY}-1", f"{CANARY}-2"))
    asked = len(world.server.asked)
    found = world.check()
    assert (found.state, found.fields, found.resources) == ("drifted", 2, 2)
    seen = [(one["resource"], one["path"], one["wanted"], one["found"]) for one in world.latest.findings]
    assert seen[0] == ("output.size", "size", '"small"', '"large"')
    assert seen[1][:2] == ("output.word", "word")
    assert CANARY not in json.dumps([world.latest.findings, world.latest.why])
    assert {method for method, _ in world.server.asked[asked:]} == {"GET"}


def test_what_was_not_applied_yet_is_no_drift(world: World) -> None:
    change = world.delivery.proposed(
        "more", {"infra/main.tf": MODULE.replace("ADDRESS", world.server.address).replace("stays", "goes")}
    )
    assert change.number
    assert world.check().state == "in_sync"


def test_wrong_credentials_are_unknown_and_stand_nowhere(world: World) -> None:
    world.secret("TF_HTTP_PASSWORD", "another-password-0815")
    found = world.check()
    assert found.state == "unknown"
    assert found.why
    assert "another-password-0815" not in found.why


def test_a_target_that_the_default_branch_takes_from_the_runner_is_not_looked_at(world: World) -> None:
    landed(world.delivery, "taken", {".gitops/portal.yaml": PORTAL.replace("PLANNER", "here")})
    asked = len(world.server.asked)
    assert world.check().state == "unknown"
    assert "does not give net to the runner any more" in world.latest.why
    assert len(world.server.asked) == asked


def test_after_everything_was_destroyed_past_the_portal_nothing_is_in_sync(world: World, tmp_path: Path) -> None:
    assert world.check().state == "in_sync"
    own = {"TF_HTTP_USERNAME": USER, "TF_HTTP_PASSWORD": PASSWORD, "TF_CLI_CONFIG_FILE": "/dev/null"}
    command = [str(toolbox().find("terraform")), "destroy", "-auto-approve", "-lock=false"]
    subprocess.run(command, cwd=tmp_path / "net", env={**os.environ, **own}, capture_output=True, check=True)
    found = world.check()
    assert found.state == "unknown"
    assert "holds nothing" in str(found.why)
