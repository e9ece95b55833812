"""What pages and the API read about repositories."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.db.models import Exists, OuterRef, Q

from apps.accounts.models import Team, TeamMembership, User
from apps.core.errors import NotVisible
from apps.core.secrets import decrypt
from apps.repositories.access import NEEDED, capabilities
from apps.repositories.models import BranchTip, RefUpdate, Repository, RepositoryRole, WebhookDelivery
from apps.repositories.querysets import RepositoryQuerySet
from apps.repositories.roles import AUDIT, CAPABILITIES, DEPLOY

TRAPS = "\\"
"""A backslash cannot stand in a branch name: in ours it marks a byte that is not UTF-8 (``\\xNN``)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One role: ``principal`` is ``alice`` or ``team/sre``, as the API spells it."""

    principal: str
    title: str
    role: str
    is_team: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch as last recorded; ``usable`` is false when its name cannot be spelled in UTF-8."""

    name: str
    oid: str
    is_default: bool
    usable: bool


@dataclass(frozen=True, slots=True)
class RepositoryDetail:
    """Everything that the settings page of one repository shows (never a secret)."""

    repository: Repository
    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    capabilities: frozenset[str]
    deliveries: tuple[WebhookDelivery, ...]
    has_credentials: bool


def visible(user: User) -> RepositoryQuerySet:
    """Repositories that ``user`` may see, by name."""
    return Repository.objects.visible_to(user).order_by("name")


def auditable(user: User) -> RepositoryQuerySet:
    """Repositories whose audit log ``user`` may read: by role, or all for administrators."""
    return Repository.objects.visible_to(user) if user.is_superuser else _with_role(user, AUDIT)


def deployable(user: User) -> RepositoryQuerySet:
    """Repositories in which ``user`` may deploy, which needs a role, also of administrators."""
    return _with_role(user, DEPLOY)


def _with_role(user: User, capability: str) -> RepositoryQuerySet:
    held = RepositoryRole.objects.filter(Q(user=user.pk) | Q(team__memberships__user=user.pk))
    roles = [role for role, can in CAPABILITIES.items() if capability in can]
    return Repository.objects.visible_to(user).filter(pk__in=held.filter(role__in=roles).values("repository"))


def find(user: User, name: str) -> Repository:
    """The repository called ``name``; :class:`NotVisible` unless it exists and ``user`` may see it."""
    found = Repository.objects.visible_to(user).filter(name=name).first()
    if found is None:
        raise NotVisible("repository_not_found", "There is no such repository, or you may not see it.", name=name)
    return found


def detail(user: User, repository: Repository) -> RepositoryDetail:
    return RepositoryDetail(
        repository=repository,
        members=members(repository),
        branches=branches(repository),
        capabilities=capabilities(user, repository),
        deliveries=tuple(repository.deliveries.order_by("-pk")[:10]),
        has_credentials=bool(repository.credential_secret or repository.ssh_key),
    )


def members(repository: Repository) -> tuple[Member, ...]:
    """All roles: people first, then teams, by name."""
    rows = RepositoryRole.objects.filter(repository=repository).select_related("user", "team")
    return tuple(sorted((_member(row) for row in rows), key=lambda member: (member.is_team, member.principal)))


def _member(row: RepositoryRole) -> Member:
    if row.team is not None:
        return Member(f"team/{row.team.name}", row.team.title or row.team.name, row.role, is_team=True)
    user: Any = row.user
    return Member(user.username, user.shown_name, row.role, is_team=False)


def who_can(repository: Repository, role: str) -> tuple[str, ...]:
    """Who can do what ``role`` is needed for: ``alice``, and ``the team SRE`` for a team with somebody in it. Exactly that role first,
    then the others that can do it, too; people before teams. Accounts that are disabled, and those of services, are not named.
    """
    wanted = next((can for can, needed in NEEDED.items() if needed == role), AUDIT)
    able = [one for one, held in CAPABILITIES.items() if wanted in held]
    rows = RepositoryRole.objects.filter(repository=repository, role__in=able)
    somebody = TeamMembership.objects.filter(team=OuterRef("team"), user__is_active=True)
    rows = rows.filter(Q(user__is_active=True) | Exists(somebody)).select_related("user", "team")
    found = [row for row in rows if row.user is None or row.user.is_human]
    found.sort(key=lambda row: (row.role != role, row.team is not None, _member(row).principal))
    return tuple(dict.fromkeys(_named(row) for row in found))


def _named(row: RepositoryRole) -> str:
    member = _member(row)
    return f"the team {member.title}" if member.is_team else member.principal


def principal(repository: Repository, name: str) -> User | Team:
    """The person ``alice`` or the team ``team/sre`` that holds a role here; :class:`NotVisible` otherwise."""
    team = name.removeprefix("team/") if name.startswith("team/") else ""
    rows = RepositoryRole.objects.filter(repository=repository).select_related("user", "team")
    row = rows.filter(team__name=team).first() if team else rows.filter(user__username=name.lower()).first()
    found = None if row is None else (row.team or row.user)
    if found is None:
        raise NotVisible("member_not_found", f"{name} has no role in {repository.name}.", member=name)
    return found


def branches(repository: Repository) -> tuple[Branch, ...]:
    """The default branch first, then by name."""
    rows = repository.branch_tips.order_by("name")
    found = [Branch(row.name, row.oid, row.name == repository.default_branch, is_usable_name(row.name)) for row in rows]
    return tuple(sorted(found, key=lambda branch: not branch.is_default))


def is_usable_name(name: str) -> bool:
    """False for a branch whose bytes are not UTF-8: it is shown escaped and cannot be attached."""
    return TRAPS not in name


def tip(repository: Repository, branch: str) -> str:
    """The recorded tip of ``branch``, or the empty string."""
    return BranchTip.objects.filter(repository=repository, name=branch).values_list("oid", flat=True).first() or ""


def nearest_branches(repository: Repository, name: str) -> list[str]:
    """Up to three existing names that look like ``name``, for a helpful refusal."""
    names = list(repository.branch_tips.values_list("name", flat=True)[:2000])
    return get_close_matches(name, names, n=3, cutoff=0.5)


def recent_moves(repository: Repository, *, limit: int = 50) -> list[RefUpdate]:
    """The latest branch movements, newest first."""
    return list(repository.ref_updates.select_related("pusher").order_by("-pk")[:limit])


def webhook_secret(repository: Repository) -> str:
    """The shared secret for the forge's settings; shown to maintainers only."""
    return decrypt(repository.webhook_secret)
