"""What the chapters of the story work with: people, the Git repository, and the portal's use cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from apps.accounts.models import User
from apps.changes import services as changes
from apps.changes.models import ChangeRequest
from apps.demo.cast import CAST
from apps.demo.engine import settle
from apps.deployments import services as deployments
from apps.deployments.models import Deployment
from apps.repositories import services as repositories
from apps.repositories.models import Repository
from apps.reviews import services as reviews
from apps.vcs import drafting
from apps.vcs.history import Signature
from apps.vcs.objects import read_file
from apps.vcs.refs import branch_tip

EMAILS = {character.username: (character.name, character.email) for character in CAST}
MAX_FILE = 256 * 1024


@dataclass
class World:
    """The demo organisation while its story is told. ``clock`` is the time that Git commits carry."""

    git_dir: Path
    repository: Repository
    clock: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=3))

    def person(self, name: str) -> User:
        return User.objects.get(username=name)

    def signature(self, name: str) -> Signature:
        """The author line of ``name``, some minutes after the one before."""
        self.clock += timedelta(minutes=17)
        full_name, email = EMAILS[name]
        return Signature(full_name, email, self.clock)

    def read(self, path: str, branch: str = "main") -> str:
        tip = branch_tip(self.git_dir, branch)
        content = read_file(self.git_dir, tip or "", path, max_bytes=MAX_FILE)
        if content is None:
            raise LookupError(f"The demo repository has no {path} on {branch}.")
        return content.decode()

    def push(self, name: str, branch: str, message: str, edits: dict[str, str | None]) -> None:
        """``name`` commits ``edits`` on ``branch`` (from main when it is new) and pushes it."""
        parent = branch_tip(self.git_dir, branch) or branch_tip(self.git_dir, "main") or ""
        files = {path: None if text is None else text.encode() for path, text in edits.items()}
        drafting.add_commit(
            self.git_dir, branch=branch, parent=parent, files=files, message=message, author=self.signature(name)
        )
        repositories.request_sync(self.person(name), repository=self.repository)
        settle()

    def cluster(self, environment: str) -> Path:
        """The directory that stands for the cluster of ``environment``."""
        return Path(settings.PORTAL_DEMO_DIR) / "clusters" / environment

    def replace(self, name: str, branch: str, message: str, path: str, old: str, new: str) -> None:
        """Like :meth:`push` for one replacement in one file."""
        source = branch if branch_tip(self.git_dir, branch) else "main"
        text = self.read(path, source)
        if old not in text:
            raise LookupError(f"{path} has no {old!r} to replace.")
        self.push(name, branch, message, {path: text.replace(old, new, 1)})

    def propose(self, name: str, branch: str, title: str, description: str, *, draft: bool = False) -> ChangeRequest:
        """``name`` opens a change from ``branch``."""
        change = changes.create_change(
            self.person(name),
            repository=self.repository,
            title=title,
            description=description,
            source_branch=branch,
            draft=draft,
        )
        settle()
        return self.again(change)

    def review(self, name: str, change: ChangeRequest, verdict: str = "approve", body: str = "") -> ChangeRequest:
        fresh = self.again(change)
        number = fresh.revision.number if fresh.revision else 0
        reviews.submit_review(self.person(name), change=fresh, revision=number, verdict=verdict, body=body)
        settle()
        return self.again(change)

    def merge(self, name: str, change: ChangeRequest) -> ChangeRequest:
        """Merge; staging deploys by itself, production waits for a person."""
        deployments.merge_change(self.person(name), change=self.again(change))
        settle()
        return self.again(change)

    def deployment(self, change: ChangeRequest, environment: str) -> Deployment:
        return Deployment.objects.filter(change=change, environment__name=environment).latest("number")

    def deploy(self, name: str, change: ChangeRequest, environment: str) -> None:
        """Deploy where the change alone would not go: what production needs has to succeed on staging first."""
        deployments.start_deployment(self.person(name), change=self.again(change), environment=environment)
        settle()

    def release(self, name: str, change: ChangeRequest, environment: str = "production") -> Deployment:
        """A person starts the deployment that waits for one."""
        deployments.release(self.person(name), deployment=self.deployment(change, environment))
        settle()
        return self.deployment(change, environment)

    def again(self, change: ChangeRequest) -> ChangeRequest:
        return ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)
