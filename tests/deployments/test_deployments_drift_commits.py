"""What follows a branch by itself is at its newest commit: drift is only what lies between and reaches the environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.jobs.drift_commits import is_as_deployed
from apps.deployments.models import Deployment, DriftCheck, DriftWatch
from apps.vcs.objects import object_type
from tests.support.argo import Argo, argo
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.drifting import landed
from tests.support.outside import step_engine, until

pytestmark = pytest.mark.django_db
POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {web: {kind: manifests, path: staging}}
  production:
    targets: {web: {kind: manifests, path: production}}
    drift: {every: 30m}
    deploy: {via: argocd, connection: corp, application: web, timeout: 10m}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


def config(value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one}}\ndata: {{a: '{value}'}}\n"


@dataclass
class World:
    """``live``: what was deployed to production, which Argo CD deploys."""

    delivery: Delivery
    there: Argo
    live: Deployment

    def lands(self, **values: str) -> str:
        """A change of the files of some environments lands, and is deployed nowhere; its commit."""
        name = "-".join([*values, *values.values()])
        files = {f"{one}/one.yaml": config(value) for one, value in values.items()}
        return landed(self.delivery, name, files).merge_commit

    def check(self) -> DriftCheck:
        DriftWatch.objects.update(next_at=now())
        run_jobs("deployments.check_drift")
        return DriftCheck.objects.get(environment=self.live.environment, is_latest=True)


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[World]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as there:
        files = {f"{name}/one.yaml": config("1") for name in ("staging", "production")}
        delivery = Delivery.start(tmp_path, POLICY, files)
        erin = delivery.people.erin
        corp = services.create_connection(erin, name="corp", kind="argocd", url=there.url, values={"token": TOKEN})
        services.allow_connection(erin, connection=corp, repository=delivery.repository, environments=[])
        change = landed(delivery, "first", {path: config("2") for path in files})
        row = until(delivery.deployment(change, "production"), "running")
        step_engine()
        there.begin()
        step_engine()
        there.end()
        row = until(row, "succeeded")
        run_jobs("deployments.read_environments")
        yield World(delivery, there, row)


def test_what_lies_between_counts_only_where_it_reaches_the_environment(world: World) -> None:
    live = world.live
    assert is_as_deployed(live, live.commit)
    other = world.lands(staging="3")
    assert is_as_deployed(live, other)
    own = world.lands(production="3")
    assert not is_as_deployed(live, own)
    back = world.lands(production="2")
    assert is_as_deployed(live, back), "in the end nothing of it differs"
    live.commit = other
    assert not is_as_deployed(live, own)
    assert not is_as_deployed(live, world.live.change.revision.target_oid), "that is older"
    assert not is_as_deployed(live, "d" * 40)
    assert not is_as_deployed(live, "main")


def test_a_path_that_nobody_names_and_another_definition_reach_it(world: World) -> None:
    shared = landed(world.delivery, "shared", {"base/all.yaml": config("1")}).merge_commit
    assert not is_as_deployed(world.live, shared)
    world.live.commit = shared
    moved = POLICY.replace("path: production", "path: elsewhere")
    files = {".gitops/portal.yaml": moved, "production/one.yaml": config("7")}
    assert not is_as_deployed(world.live, landed(world.delivery, "moved", files).merge_commit)


def test_a_commit_that_only_the_git_host_has_is_fetched(world: World) -> None:
    work = world.delivery.work
    work.run("fetch", "-q", "origin")
    work.run("checkout", "-q", "-B", "main", "origin/main")
    commit = work.commit("Straight to main", files={"staging/one.yaml": config("9")})
    work.push("main")
    git_dir = world.delivery.repository.mirror_path
    assert object_type(git_dir, commit) is None
    assert is_as_deployed(world.live, commit)


def test_an_application_that_follows_the_branch_is_in_sync_until_what_reaches_it_is_brought_out(world: World) -> None:
    assert world.check().state == "in_sync"
    other = world.lands(staging="3")
    world.there.operate(other)
    found = world.check()
    assert (found.state, found.findings) == ("in_sync", [])
    assert found.not_looked[0] == (
        f"Argo CD is at {other[:12]}, which contains {world.live.commit[:12]}: nothing between them reaches this environment."
    )
    own = world.lands(production="3")
    world.there.operate(own)
    found = world.check()
    assert (found.state, found.findings[0]["found"]) == ("drifted", own[:12])
