"""Long-lived processes that act at one moment, and the small world that each round is about.

The processes are started once, by exec and never by fork, on the database of the test. A round costs a few rows that
copy a change made by the real services, and no more Git than the acts themselves do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from apps.accounts.models import Team, TeamMembership, User
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeNumber, ChangeRequest, Contribution
from apps.core.clock import now
from apps.deployments.models import Deployment, DeploymentNumber, MergeIntent
from apps.deployments.services import merge_change
from apps.repositories.models import BranchTip, RefUpdate, RepositoryRole
from apps.repositories.services import synchronise
from apps.reviews.models import Review
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, run_jobs
from tests.support.engine_process import ROOT, environment
from tests.support.git import GitRepo
from tests.support.people import team

Act = tuple[str, dict[str, Any]]
HEADSTART = 0.003
EXPERTS = ("bob", "kim", "dave", "erin")


class Racers:
    """``count`` processes; :meth:`race` lets each of them do one thing."""

    def __init__(
        self, tmp_path: Path, count: int, without: str = "", each: Sequence[dict[str, str]] | None = None
    ) -> None:
        """``each``: what is different in the environment of each of them, such as its database."""
        self.log = (tmp_path / "racers.log").open("ab")
        command = [sys.executable, "-m", "tests.support.racer"]
        self.all = [
            subprocess.Popen(
                command, cwd=ROOT, env=environment(tmp_path, **{"RACE_WITHOUT": without, "PORTAL_ENGINE": "none", **own}),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True,
            )
            for own in each or [{}] * count
        ]  # fmt: skip
        self.path = tmp_path
        for process in self.all:
            self._answer(process)

    def race(self, acts: Sequence[Act], delays: Sequence[float]) -> list[str]:
        """Everybody from one moment on, each after its delay (seconds); what came of each."""
        begin = time.monotonic() + HEADSTART
        for process, (act, given), delay in zip(self.all, acts, delays, strict=False):
            assert process.stdin
            process.stdin.write(json.dumps({"at": begin + delay, "act": act, "given": given}) + "\n")
            process.stdin.flush()
        return [self._answer(process)["came"] for process in self.all[: len(acts)]]

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout
        line = process.stdout.readline()
        assert line, (self.path / "racers.log").read_text(errors="replace")[-3000:]
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.all:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        self.log.close()


@dataclass
class Arena:
    """One repository whose rows are set back before every round.

    ``one`` and ``two`` are changes in review with an approval, ``deployed`` is merged and waits for production; rounds copy them.
    ``moves`` are commits that a push may bring.
    """

    delivery: Delivery
    deployed: tuple[ChangeRequest, Deployment, Review]
    one: tuple[ChangeRequest, Review]
    two: tuple[ChangeRequest, Review]
    tips: dict[str, str] = field(default_factory=dict)
    moves: dict[str, tuple[str, str]] = field(default_factory=dict)
    moved: bool = False

    @classmethod
    def built(cls, tmp_path: Path, portal_yaml: str) -> Arena:
        delivery = Delivery.start(tmp_path, portal_yaml)
        people = delivery.people
        team("experts", people.bob, people.kim, people.dave, people.erin)
        for user in (people.dave, people.erin):
            RepositoryRole.objects.update_or_create(
                repository=delivery.repository, user=user, defaults={"role": "reviewer"}
            )
        deployed = cls._deployed(delivery)
        arena = cls(delivery, deployed, *(cls._approved_change(delivery, name) for name in ("one", "two")))
        delivery.work.push("origin/main:refs/heads/other")
        synchronise(delivery.repository.pk)
        arena.tips = dict(BranchTip.objects.values_list("name", "oid"))
        return arena

    @classmethod
    def _deployed(cls, delivery: Delivery) -> tuple[ChangeRequest, Deployment, Review]:
        people = delivery.people
        change, _ = cls._approved_change(delivery, "zero")
        submit_review(people.kim, change=change, revision=1, verdict="approve")
        merge_change(people.alice, change=change)
        run_jobs("deployments.carry_out_merges")
        change.refresh_from_db()
        gate = submit_review(
            people.bob, change=change, revision=1, verdict="approve", stage="deploy", environment="production"
        )
        return change, delivery.deployment(change, "production"), gate

    @staticmethod
    def _approved_change(delivery: Delivery, name: str) -> tuple[ChangeRequest, Review]:
        change = delivery.approved(name, {f"{name}.txt": name})
        change.refresh_from_db()
        return change, change.reviews.get()

    @property
    def remote(self) -> GitRepo:
        return GitRepo(Path(self.delivery.repository.url.removeprefix("file://")))

    def prepare_move(
        self, name: str, branch: str, files: dict[str, str], author: str = "Alice <alice@example.org>"
    ) -> None:
        """A commit on ``branch`` that the remote has but no branch of it shows yet."""
        work = self.delivery.work
        work.run("checkout", "-q", "--detach", self.tips[branch])
        oid = work.commit(name, files=files, author=author)
        work.push(f"{oid}:refs/kept/{name}", force=True)
        self.moves[name] = (branch, oid)

    def pushed(self, name: str) -> None:
        """The remote shows the move now; the portal learns of it when it looks."""
        branch, oid = self.moves[name]
        self.remote.run("update-ref", f"refs/heads/{branch}", oid)
        self.moved = True

    def reset(self) -> None:
        """Roles, tips and branches as they were; what earlier rounds left is out of the way."""
        earlier = ChangeRequest.objects.exclude(pk=self.deployed[0].pk)  # merged ones would ride along for ever
        earlier.filter(status__in=["draft", "in_review", "merging", "merged"]).update(
            status="withdrawn", merge_commit=""
        )
        MergeIntent.objects.filter(state="pending").update(state="returned")
        Deployment.objects.exclude(status__in=["succeeded", "cancelled"]).update(status="cancelled")
        RefUpdate.objects.filter(taken_at=None).update(taken_at=now())
        User.objects.filter(is_active=False).update(is_active=True)
        RepositoryRole.objects.filter(user__username="alice").exclude(role="author").update(role="author")
        RepositoryRole.objects.filter(user__username__in=EXPERTS).exclude(role="reviewer").update(role="reviewer")
        if TeamMembership.objects.count() < len(EXPERTS):
            experts = Team.objects.get(name="experts")
            for user in User.objects.filter(username__in=EXPERTS):
                TeamMembership.objects.get_or_create(user=user, team=experts)
        if self.moved:
            self._set_branches_back()

    def _set_branches_back(self) -> None:
        repository = self.delivery.repository
        for branch, oid in self.tips.items():
            for git in (self.remote, GitRepo(repository.mirror_path)):
                git.run("update-ref", f"refs/heads/{branch}", oid)
            BranchTip.objects.filter(repository=repository, name=branch).update(oid=oid)
        self.moved = False

    def proposed(self, *approvers: str, template: tuple[ChangeRequest, Review] | None = None) -> ChangeRequest:
        """A change in review with approvals of its first revision."""
        row, review = template or self.one
        change = self._copy_of(row, "in_review")
        for name in approvers:
            self._approved(review, change, name)
        return change

    def waiting(self, *approvers: str) -> Deployment:
        """A deployment that is pending for production, its gate approved by these."""
        merged, row, review = self.deployed
        change = self._copy_of(merged, "merged")
        for name in approvers:
            self._approved(review, change, name)
        fresh = copy(row)
        fresh._state = copy(row._state)
        fresh.pk, fresh.change, fresh.number, fresh.status = None, change, self._deployment_number(), "pending"
        fresh.waits, fresh.attempts, fresh.last_event, fresh.fence = [], 0, 0, 0
        fresh.check_at = fresh.lease_until = fresh.ended_at = None
        fresh._state.adding = True
        fresh.save()
        return fresh

    def _copy_of(self, template: ChangeRequest, status: str) -> ChangeRequest:
        old = template.revision
        assert old
        change, revision = copy(template), copy(old)
        ChangeNumber.objects.update(last=ChangeNumber.objects.get().last + 1)
        change.pk, change.number, change.revision = None, ChangeNumber.objects.get().last, None
        change.status, change.version = status, 1
        change._state = copy(change._state)
        change._state.adding = True
        change.save()
        revision.pk, revision.change, revision.number = None, change, 1
        revision._state = copy(revision._state)
        revision._state.adding = True
        revision.save()
        ChangeRequest.objects.filter(pk=change.pk).update(revision=revision)
        rows = list(Contribution.objects.filter(change=template, revision_number__lte=1))
        for row in rows:
            row.pk, row.change = None, change
        Contribution.objects.bulk_create(rows)
        change.revision = revision
        return change

    def _approved(self, template: Review, change: ChangeRequest, name: str) -> None:
        review = copy(template)
        review._state = copy(review._state)
        review._state.adding = True
        review.pk, review.change, review.revision = None, change, change.revision  # type: ignore[assignment]
        review.reviewer = User.objects.get(username=name)
        review.created_at = now() - timedelta(minutes=2)
        review.withdrawn_at = None
        review.save()

    @staticmethod
    def _deployment_number() -> int:
        row = DeploymentNumber.objects.get()
        row.last += 1
        row.save()
        return row.last


def last_seq() -> int:
    return AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
