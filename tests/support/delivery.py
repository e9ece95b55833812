"""A repository with a pipeline, its people, and the way from a pushed branch to a merged change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.deployments import services
from apps.deployments.models import Deployment, DeploymentEvent
from apps.repositories.models import Repository
from apps.reviews.services import submit_review
from apps.worker.registry import jobs
from tests.support.git import GitRepo
from tests.support.people import Cast, cast
from tests.support.repositories import branch_with, connected, pushed

ROLES = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}
UNTIL_IDLE = ("changes.", "deployments.", "reviews.", "repositories.")


def pipeline(staging: str = "cat app/values.yaml", production: str = "echo production", *, rules: str = "") -> str:
    """``portal.yaml`` with two environments of one step each; production is protected and comes after staging."""
    return f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy: {{via: local, steps: [{{name: apply, run: {staging!r}, timeout: 60s}}]}}
  production:
    after: [staging]
    protected: true
    deploy: {{via: local, steps: [{{name: apply, run: {production!r}, timeout: 60s}}]}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
{rules}"""


@dataclass
class Delivery:
    """One connected repository and everybody around it."""

    repository: Repository
    work: GitRepo
    people: Cast

    @classmethod
    def start(cls, tmp_path: Path, portal_yaml: str, files: Mapping[str, str | bytes] | None = None) -> Delivery:
        people = cast()
        content = {"app/values.yaml": "replicas: 1\n", ".gitops/portal.yaml": portal_yaml, **(files or {})}
        repository, work = connected(tmp_path, people.carol, files=content, members=ROLES)
        return cls(repository, work, people)

    def proposed(self, name: str = "one", files: Mapping[str, str | bytes] | None = None) -> ChangeRequest:
        """A change of alice in review."""
        self.work.run("fetch", "-q", "origin")
        content = files or {"app/values.yaml": f"replicas: 1\nname: {name}\n"}
        branch_with(self.work, name, content, at="origin/main", author="Alice <alice@example.org>")
        pushed(self.repository, self.work, f"{name}:refs/heads/{name}", force=True)
        return create_change(self.people.alice, repository=self.repository, title=f"Change {name}", source_branch=name)

    def approved(self, name: str = "one", files: Mapping[str, str | bytes] | None = None) -> ChangeRequest:
        """A change of alice that bob approved."""
        change = self.proposed(name, files)
        self.approve(change)
        return change

    def approve(self, change: ChangeRequest) -> None:
        change.refresh_from_db()
        assert change.revision is not None
        submit_review(self.people.bob, change=change, revision=change.revision.number, verdict="approve")

    def merged(self, name: str = "one", files: Mapping[str, str | bytes] | None = None) -> ChangeRequest:
        """A change that bob approved, alice merged, and whose merge landed; nothing was started yet."""
        change = self.approved(name, files)
        services.merge_change(self.people.alice, change=change)
        run_jobs("deployments.carry_out_merges")
        change.refresh_from_db()
        assert change.merge_commit, change.merge_intents.values("state", "outcome")
        return change

    def deployment(self, change: ChangeRequest, environment: str = "staging") -> Deployment:
        return Deployment.objects.filter(change=change, environment__name=environment).latest("number")


def not_there(row: Deployment) -> None:
    """As if the change of ``row`` did not reach its environment."""
    DeploymentEvent.objects.filter(deployment=row).delete()
    row.delete()


def run_jobs(*names: str) -> int:
    """Do once what is due now (of the jobs named, else of all); how many units that were."""
    count = 0
    if "deployments.carry_out_merges" in names:
        names = (*names, "deployments.verify_landed")  # what landed is looked at by another job at once
    if "deployments.follow" in names:
        names = (*names, "deployments.begin")  # by the same act, in threads of its own
    ChangeRequest.objects.exclude(merge_check_at=None).update(merge_check_at=None)  # as if a sweep's time had gone by
    for name, job in jobs().items():
        if not names or name in names:
            for pk in list(job.due(100)):
                job.run(pk)
                count += 1
    return count


def run_until_idle(seconds: float = 120.0) -> None:
    """Play the engine in this thread until no deployment can go on and nothing else is due."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = _picture()
        run_jobs()
        if _await_step() or _picture() != before:
            continue
        Deployment.objects.filter(status="pending").update(check_at=None)  # as if the time to its next look had gone by
        run_jobs("deployments.start")
        if _picture() == before:
            return
    raise AssertionError(f"The engine is still busy after {seconds} s: {_picture()}")


def _await_step(seconds: float = 1.0) -> bool:
    """Ask nothing but what runs until that has brought something new, or the time is over; whether anything ran."""
    until, before = time.monotonic() + seconds, _picture()
    running = Deployment.objects.filter(status__in=["dispatching", "running"])
    if not running.exists():
        return False
    while time.monotonic() < until and not (run_jobs("deployments.follow") and _picture() != before):
        time.sleep(0.01)
    return True


def _picture() -> list[object]:
    rows = Deployment.objects.order_by("pk").values_list("pk", "status", "last_event", "waits")
    return [*map(str, rows), *ChangeRequest.objects.order_by("pk").values_list("pk", "status", "version")]
