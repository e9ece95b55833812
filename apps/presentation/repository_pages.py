"""Pages of repositories: the list with its state in a word, and one repository with everything around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q
from django.utils.dateparse import parse_datetime

from apps.accounts.models import Team, User
from apps.changes.outside import open_counts
from apps.core.clock import now
from apps.deployments.models import TargetFreeze
from apps.deployments.queries import claim_refused_at, freezes_of
from apps.policies.config import Rule
from apps.policies.queries import Policy, policy_at
from apps.policies.reading import Located
from apps.repositories import queries
from apps.repositories.forges import PROVIDERS
from apps.repositories.models import Repository
from apps.repositories.queries import RepositoryDetail
from apps.repositories.roles import ASK, MAINTAIN, Role
from apps.repositories.services.synchronising import is_partial
from apps.vcs.errors import ObjectMissing

OPEN = ("requested", "draft", "in_review", "merging")
BRANCHES_SHOWN = 50
STALE_POLLS = 20
"""After so many missed polls the state of the mirror is called stale."""

ROLES: tuple[tuple[str, str], ...] = (
    (Role.VIEWER, "viewer: sees everything, may ask for changes"),
    (Role.AUTHOR, "author: writes changes"),
    (Role.REVIEWER, "reviewer: reviews and approves"),
    (Role.DEPLOYER, "deployer: merges and deploys"),
    (Role.MAINTAINER, "maintainer: all of it, and these settings"),
    (Role.AUDITOR, "auditor: reads everything, changes nothing"),
)
"""What each role can do, in the words of the forms."""


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """One line of the list; ``state`` is a key of the words."""

    repository: Repository
    state: str
    open_changes: int


@dataclass(frozen=True, slots=True)
class SyncProblem:
    """Why the last look at the remote failed; ``partial``: it was good, and some of what it found is not."""

    message: str
    since: object
    failures: int
    partial: bool


@dataclass(frozen=True, slots=True)
class RepositoryPage:
    detail: RepositoryDetail
    state: str
    problem: SyncProblem | None
    maintains: bool
    asks: bool
    webhooks: tuple[tuple[str, str], ...]
    has_ssh_key: bool
    outside: int
    claim_refused_at: datetime | None
    freezes: tuple[TargetFreeze, ...] = ()

    @property
    def repository(self) -> Repository:
        return self.detail.repository

    @property
    def url(self) -> str:
        return f"/repositories/{self.repository.name}/"

    @property
    def branches(self) -> tuple[queries.Branch, ...]:
        return self.detail.branches[:BRANCHES_SHOWN]


def repository_rows(user: User) -> list[RepositoryRow]:
    """All that ``user`` may see, by name; one query."""
    rows = queries.visible(user).annotate(open_changes=Count("changes", filter=Q(changes__status__in=OPEN)))
    return [RepositoryRow(row, state_of(row), getattr(row, "open_changes", 0)) for row in rows]


def state_of(repository: Repository) -> str:
    """The state of the mirror: a key of :data:`apps.presentation.words.REPOSITORY`."""
    if repository.sync_problem:
        return "branch_trouble" if is_partial(repository.sync_problem) else "sync_failed"
    if repository.synced_at is None:
        return "never_synced"
    if repository.sync_requested_at is not None and repository.sync_requested_at > repository.synced_at:
        return "syncing"
    age = (now() - repository.synced_at).total_seconds()
    return "stale" if age > max(300.0, STALE_POLLS * settings.PORTAL_POLL_SECONDS) else "current"


def repository_page(user: User, name: str) -> RepositoryPage:
    """The page; :class:`NotVisible` when ``user`` may not know of it."""
    repository = queries.find(user, name)
    detail = queries.detail(user, repository)
    return RepositoryPage(
        detail=detail,
        state=state_of(repository),
        problem=_problem(repository),
        maintains=MAINTAIN in detail.capabilities,
        asks=ASK in detail.capabilities,
        webhooks=tuple((one, f"{settings.PORTAL_URL}/api/v1/webhooks/{one}/{repository.name}/") for one in PROVIDERS),
        has_ssh_key=bool(repository.ssh_key),
        outside=open_counts([repository]).get(repository.pk, 0),
        claim_refused_at=claim_refused_at(repository),
        freezes=tuple(freezes_of(repository).open()),
    )


def _problem(repository: Repository) -> SyncProblem | None:
    found = repository.sync_problem
    if not found:
        return None
    since = parse_datetime(str(found.get("since", "")))
    return SyncProblem(str(found.get("message", "")), since, int(found.get("failures", 1)), partial=is_partial(found))


def principals() -> list[tuple[str, str]]:
    """People and teams who can get a role, as the member form names them: (principal, title)."""
    people = User.objects.filter(is_active=True).order_by("username")[:500]
    teams = Team.objects.order_by("name")[:200]
    found = [(user.username, user.shown_name) for user in people]
    return [*found, *((f"team/{team.name}", team.title or team.name) for team in teams)]


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """What governs the default branch now. ``policy`` is ``None`` while the tip is not in the mirror."""

    repository: Repository
    commit: str
    policy: Policy | None
    maintains: bool

    @property
    def errors(self) -> list[Located]:
        return [found for found in self._problems() if found.problem.severity == "error"]

    @property
    def notices(self) -> list[Located]:
        return [found for found in self._problems() if found.problem.severity != "error"]

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.policy.config.rules if self.policy else ()

    @property
    def asked(self) -> list[tuple[str, str, int]]:
        """What modules of Rego are asked for, at which gate, and where it stands first."""
        modules = self.policy.modules if self.policy else None
        places = (modules.places if modules else None) or {}
        return [(name.replace(".", ": "), file, line) for name, (file, line) in sorted(places.items())]

    def _problems(self) -> tuple[Located, ...]:
        return self.policy.problems if self.policy else ()


def policy_page(user: User, name: str) -> PolicyPage:
    """What portal.yaml and CODEOWNERS say on the tip of the default branch, and what is wrong with them."""
    repository = queries.find(user, name)
    commit = queries.tip(repository, repository.default_branch)
    maintains = MAINTAIN in queries.detail(user, repository).capabilities
    try:
        policy = policy_at(repository, repository.default_branch, commit) if commit else None
    except ObjectMissing:
        policy = None
    return PolicyPage(repository, commit, policy, maintains)
