"""One repository with changes and deployments in every state, made through the services, and one person per role."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import create_token, create_user
from apps.audit.models import AuditEntry
from apps.changes import services as changes
from apps.changes.models import ChangeRequest, OutsideChange, Rendering, RenderingPlan
from apps.core.clock import now
from apps.deployments import services as deployments
from apps.deployments.models import Deployment, TargetFreeze
from apps.deployments.transitions import freeze_target
from apps.presentation import diff_json
from apps.presentation.diff_sides import sides_of
from apps.repositories.models import Repository
from apps.reviews import services as reviews
from apps.reviews.models import Assignment, News, Opening
from tests.support.delivery import run_jobs, run_until_idle
from tests.support.git import GitRepo
from tests.support.people import PASSWORD, person, team
from tests.support.repositories import branch_with, connected, pushed

CAST = ("mallory", "viewer", "alice", "bob", "kim", "carol", "maintainer", "dave", "erin")
MEMBERS = {
    "viewer": "viewer",
    "alice": "author",
    "bob": "reviewer",
    "kim": "reviewer",
    "carol": "deployer",
    "dave": "auditor",
    "team/network": "viewer",
}
PORTAL_YAML = """\
apiVersion: portal/v1
runbooks: docs/runbooks
environments:
  staging:
    deploy: {via: local, steps: [{name: apply, run: 'echo applied; test ! -e broken', timeout: 60s}]}
  production:
    after: [staging]
    protected: true
    deploy: {via: local, start: manual, steps: [{name: apply, run: echo production, timeout: 60s}]}
emergency: {from: [role/reviewer], approvals: 1, reviewWithin: 24h}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
FILES = {
    ".gitops/portal.yaml": PORTAL_YAML,
    "app/values.yaml": "replicas: 1\n",
    "docs/runbooks/restore.md": "# Restore\n\n1. Breathe.\n",
}


@dataclass
class World:
    """``names``: what stands for a part of an address or a body, by its name (``{approved}``, ``{failed}`` …)."""

    repository: Repository
    work: GitRepo
    people: dict[str, User]
    data_dir: Path
    local_dir: Path
    names: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, tmp_path: Path, data_dir: Path) -> World:
        people = {name: person(name) for name in CAST if name != "erin"}
        people["erin"] = person("erin", is_administrator=True)
        create_user(None, username="robot", kind="service", password=PASSWORD)
        team("network", people["kim"])
        repository, work = connected(tmp_path, people["maintainer"], files=FILES, members=MEMBERS)
        world = cls(repository, work, people, data_dir, tmp_path)
        world._push_past_the_portal()
        world._finished_changes()
        world._open_changes()
        world._things_beside_changes()
        return world

    def _push_past_the_portal(self) -> None:
        self.work.commit("Straight to main", files={"app/outside.yaml": "a: 1\n"}, author="Zoe <zoe@example.org>")
        pushed(self.repository, self.work, "main:refs/heads/main")
        run_jobs("changes.take_ref_updates")
        self.names["outside"] = OutsideChange.objects.get().pk
        freeze_target(self.repository, "frozen", reason="Something else landed there.")
        self.names["freeze"] = TargetFreeze.objects.get().pk

    def propose(self, name: str, content: dict[str, str] | None = None, **options: Any) -> ChangeRequest:
        """A change of alice from a branch of that name."""
        self.branch(name, content)
        return changes.create_change(
            self.people["alice"], repository=self.repository, title=f"Change {name}", source_branch=name, **options
        )

    def branch(self, name: str, content: dict[str, str] | None = None) -> str:
        """A pushed branch with one commit of alice; the oid of its head."""
        self.work.run("fetch", "-q", "origin")
        files = content or {f"app/{name}.yaml": f"name: {name}\n"}
        oid = branch_with(self.work, name, files, at="origin/main", author="Alice <alice@example.org>")
        pushed(self.repository, self.work, f"{name}:refs/heads/{name}", force=True)
        return oid

    def approve(self, change: ChangeRequest) -> None:
        change.refresh_from_db()
        assert change.revision is not None
        reviews.submit_review(self.people["bob"], change=change, revision=change.revision.number, verdict="approve")

    def merge(self, name: str, content: dict[str, str] | None = None) -> ChangeRequest:
        change = self.propose(name, content)
        self.approve(change)
        deployments.merge_change(self.people["alice"], change=change)
        run_jobs("deployments.carry_out_merges")
        change.refresh_from_db()
        assert change.merge_commit
        return change

    def token(self, name: str, *scopes: str) -> str:
        """A bearer token of that person with these scopes (default: all)."""
        key = " ".join([name, *scopes])
        if key not in self.tokens:
            user = self.people[name]
            self.tokens[key] = create_token(user, user=user, name="test", scopes=scopes or None)[1]
        return self.tokens[key]

    def sign_in(self) -> None:
        """One session for each person, which later tests share."""
        for name, user in self.people.items():
            client = Client()
            client.force_login(user)
            self.cookies[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
            self.token(name)

    def browser(self, name: str, **options: Any) -> Client:
        """A client with the session of that person; ``anonymous`` has none."""
        client = Client(raise_request_exception=False, **options)
        if name != "anonymous":
            client.cookies[settings.SESSION_COOKIE_NAME] = self.cookies[name]
        return client

    def _finished_changes(self) -> None:
        done = self.merge("done")
        run_until_idle()
        staged = Deployment.objects.get(change=done, environment__name="staging")
        assert staged.status == "succeeded"
        waiting = Deployment.objects.get(change=done, environment__name="production")
        broken = self.merge("broken", {"broken": "yes\n"})
        run_until_idle()
        failed = Deployment.objects.get(change=broken, environment__name="staging")
        assert failed.status == "failed"
        Deployment.objects.filter(change=broken, environment__name="production").update(status="unknown")
        lost = Deployment.objects.get(change=broken, environment__name="production")
        repair = self.merge("repair", {"app/repair.yaml": "a: 1\n"})
        self.names |= {
            "done": done.number,
            "merged": broken.number,
            "unstarted": repair.number,
            "succeeded": staged.number,
            "waiting": waiting.number,
            "failed": failed.number,
            "unknown": lost.number,
        }

    def _open_changes(self) -> None:
        alice = self.people["alice"]
        backlog = changes.create_change(alice, repository=self.repository, title="Please", target_branch="main")
        draft = self.propose("draft", draft=True)
        review, approved, gone = self.propose("review"), self.propose("approved"), self.propose("gone")
        self.approve(approved)
        changes.withdraw(alice, change=gone, reason="no")
        _renderings(review)
        thread = reviews.open_thread(alice, change=review, body="Why?", kind="question")
        settled = reviews.open_thread(alice, change=review, body="Fine", path="app/review.yaml", line=1)
        reviews.resolve_thread(alice, thread=settled)
        typed = reviews.save_draft(alice, change=review, body="Hm", path="app/review.yaml")
        assert typed is not None
        reviews.assign(alice, change=review, user=self.people["bob"])
        handed = self.propose("handed")
        reviews.hand_over(alice, change=handed, user=self.people["bob"], note="please")
        reviews.snooze(self.people["bob"], change=handed, until="1h")
        for name in ("free", "other-target"):
            self.branch(name)
        review.refresh_from_db()
        assert review.revision is not None
        self.names |= {
            "backlog": backlog.number,
            "draft": draft.number,
            "review": review.number,
            "approved": approved.number,
            "gone": gone.number,
            "handed": handed.number,
            "thread": thread.number,
            "settled": settled.number,
            "draft_comment": typed.pk,
            "revision": review.revision.number,
            "approval": approved.reviews.get().pk,
        }

    def _claims(self) -> None:
        """Two openings of which no job knows: one that carol may claim, one that the maintainer has claimed."""
        review = ChangeRequest.objects.get(number=self.names["review"])
        draft = ChangeRequest.objects.get(number=self.names["draft"])
        Opening.objects.create(change=review, user=self.people["carol"], need="carol's", reason="open", since=now())
        Assignment.objects.create(
            change=draft,
            user=self.people["maintainer"],
            duty=Assignment.Duty.REVIEW,
            origin=Assignment.Origin.CLAIM,
            reason="you claimed it",
            created_at=now(),
        )
        self.names["news"] = News.objects.filter(user=self.people["bob"]).latest("pk").pk

    def _things_beside_changes(self) -> None:
        run_jobs("reviews.refresh_reviewers")
        self._claims()
        staging = self.repository.environments.get(name="staging")
        deployments.set_secret(self.people["maintainer"], environment=staging, name="KEY", value="long-enough-value")
        corp = deployments.create_connection(
            self.people["erin"],
            name="corp",
            kind="webhook",
            url="https://deployer.example.org",
            values={"secret": "whsec_a-long-enough-secret"},
        )
        deployments.allow_connection(
            self.people["erin"], connection=corp, repository=self.repository, environments=["production"]
        )
        token = self.people["kim"].api_tokens.create(name="kim", prefix="gop_", digest="0" * 64, scopes=["read"])
        entry = AuditEntry.objects.filter(repository=self.repository.name).latest("seq")
        review = ChangeRequest.objects.get(number=self.names["review"])
        files = diff_json.diff_document(review, sides_of(review, "", ""), path="")["files"]
        self.names |= {
            "repository": self.repository.name,
            "local": str(self.local_dir),
            "token": token.pk,
            "entry": entry.seq,
            "file": files[0]["id"],
        }


def _renderings(change: ChangeRequest) -> None:
    """One target that waits and one that failed, of a policy that names none: they hold nothing."""
    RenderingPlan.objects.create(revision=change.revision, proposed=True, created_at=now())
    for target, state in (("waiting", "queued"), ("broken", "failed")):
        Rendering.objects.create(
            revision=change.revision, environment="staging", target=target, kind="manifests", options={"path": "raw"},
            state=state, failure="template" if state == "failed" else "", message="No.", created_at=now(),
        )  # fmt: skip
