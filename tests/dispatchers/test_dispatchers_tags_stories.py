"""A promotion runs the same commit, whatever was merged since: whole deployments at tags of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment
from tests.support import stubs_github, stubs_gitlab
from tests.support.delivery import Delivery
from tests.support.outside import step_engine, until
from tests.support.stub_server import serving
from tests.support.stubs_github import GitHub
from tests.support.stubs_gitlab import GitLab

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {{deploy: {{{deploy}}}}}
  production: {{after: [staging], deploy: {{{deploy}, start: manual}}}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
GITHUB = f"via: github, connection: corp, repository: {stubs_github.REPOSITORY}, workflow: deploy.yml, tag: true"
GITLAB = f"via: gitlab, connection: corp, project: {stubs_gitlab.PROJECT}, tag: true"


def delivery_at(tmp_path: Path, kind: str, there: GitHub | GitLab) -> Delivery:
    deploy, token = (GITHUB, stubs_github.TOKEN) if kind == "github" else (GITLAB, stubs_gitlab.TOKEN)
    delivery = Delivery.start(tmp_path, YAML.format(deploy=deploy))
    corp = services.create_connection(
        delivery.people.erin, name="corp", kind=kind, url=there.url, values={"token": token}
    )
    services.allow_connection(delivery.people.erin, connection=corp, repository=delivery.repository, environments=[])
    return delivery


def ended_well(there: GitHub | GitLab, row: Deployment) -> Deployment:
    """The deployment runs, and what runs it over there succeeds."""
    until(row, "running")
    step_engine()
    if isinstance(there, GitHub):
        there.end("success", -1)
    else:
        there.pipelines[-1]["status"] = "success"
    return until(row, "succeeded")


def commits(there: GitHub | GitLab) -> list[str]:
    return [run["head_sha"] for run in there.runs] if isinstance(there, GitHub) else [p["sha"] for p in there.pipelines]


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_an_earlier_change_goes_to_production_after_a_later_one_was_merged(tmp_path: Path, kind: str) -> None:
    there: GitHub | GitLab = GitHub() if kind == "github" else GitLab()
    with serving(there):
        delivery = delivery_at(tmp_path, kind, there)
        first, second = delivery.merged("one"), delivery.merged("two", {"b.txt": "b"})
        there.head = str(second.merge_commit)
        for change in (first, second):
            ended_well(there, delivery.deployment(change))
        row = delivery.deployment(first, "production")
        step_engine()
        services.release(delivery.people.alice, deployment=row)
        row = ended_well(there, row)
        assert (row.commit, row.attempts) == (first.merge_commit, 1)
        assert commits(there) == [first.merge_commit, second.merge_commit, first.merge_commit]
        assert there.tags == {}


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_tag_of_a_start_that_was_put_off_and_may_not_come_any_more_is_deleted(tmp_path: Path, kind: str) -> None:
    there: GitHub | GitLab = GitHub() if kind == "github" else GitLab()
    with serving(there):
        delivery = delivery_at(tmp_path, kind, there)
        change = delivery.merged("one")
        there.head = str(change.merge_commit)
        there.faults["POST /dispatches$|/pipeline$"] = 429
        row = delivery.deployment(change)
        until(row, "running")
        step_engine()
        assert len(there.tags) == 1
        Attempt.objects.update(started_at=now() - timedelta(minutes=1))
        services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
        assert "a migration" in until(row, "failed").problem
        assert (there.tags, commits(there)) == ({}, [])
