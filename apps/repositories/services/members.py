"""Who holds which role in a repository."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from apps.accounts.models import Team, User
from apps.accounts.queries import users_by_handle
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.errors import Conflict, InvalidInput, NotVisible
from apps.repositories import access
from apps.repositories.models import Repository, RepositoryRole
from apps.repositories.roles import Role
from apps.repositories.transitions import announce


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a team; exactly one of the two. ``name`` as the API spells it."""

    name: str
    user: User | None = None
    team: Team | None = None


def check_role(role: str) -> str:
    """``InvalidInput unknown_role`` unless ``role`` is one of the six."""
    if role not in Role.values:
        known = ", ".join(Role.values)
        raise InvalidInput("unknown_role", f"There is no role '{role}'. The roles are {known}.", field="role")
    return role


def resolve_members(names: list[str]) -> dict[str, Principal]:
    """The people (``alice``, ``user/alice``) and teams (``team/sre``) behind ``names``.

    ``InvalidInput unknown_members`` names all that are unknown (``details['unknown']``).
    """
    handles = {name: name.removeprefix("user/") for name in names if not name.startswith("team/")}
    users = {user.username: user for user in users_by_handle(handles.values()).values() if user.is_active}
    slugs = {name: name.removeprefix("team/") for name in names if name.startswith("team/")}
    teams = {team.name: team for team in Team.objects.filter(name__in=slugs.values())}
    found = {}
    for name, handle in handles.items():
        if user := users.get(handle.strip().lower()):
            found[name] = Principal(user.username, user=user)
    for name, slug in slugs.items():
        if team := teams.get(slug):
            found[name] = Principal(f"team/{team.name}", team=team)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise InvalidInput(
            "unknown_members",
            f"Nobody here is called {', '.join(unknown)}. Write a person's handle, or team/NAME for a team.",
            field="members",
            unknown=unknown,
        )
    return found


def write_role(repository: Repository, who: Principal, role: str) -> str:
    """Give the one role that ``who`` has in ``repository``; returns the role before (or '')."""
    rows = RepositoryRole.objects.filter(repository=repository, user=who.user, team=who.team)
    before = rows.values_list("role", flat=True).first() or ""
    RepositoryRole.objects.update_or_create(
        repository=repository, user=who.user, team=who.team, defaults={"role": role}
    )
    return before


@transaction.atomic
def set_member(actor: User, *, repository: Repository, member: str, role: str) -> Repository:
    """Give ``member`` (``alice`` or ``team/sre``) the role ``role``, replacing the one held before."""
    access.require_maintain(actor, repository)
    _lock(repository)
    who = resolve_members([member])[member]
    before = write_role(repository, who, check_role(role))
    if before == Role.MAINTAINER and role != Role.MAINTAINER:
        _require_a_maintainer(repository)
    summary = f"{actor.username} gave {who.name} the role {role} in {repository.name}"
    _record(actor, repository, "repository.member_set", who.name, summary, {"role": role, "before": before})
    return repository


@transaction.atomic
def remove_member(actor: User, *, repository: Repository, member: str) -> Repository:
    """Take the role of ``member`` away; the last maintainer stays."""
    access.require_maintain(actor, repository)
    _lock(repository)
    rows = RepositoryRole.objects.filter(repository=repository)
    slug, handle = member.removeprefix("team/"), member.removeprefix("user/").strip().lower()
    found = rows.filter(team__name=slug) if member.startswith("team/") else rows.filter(user__username=handle)
    role = found.values_list("role", flat=True).first()
    if role is None:
        raise NotVisible("member_not_found", f"{member} has no role in {repository.name}.", member=member)
    found.delete()
    if role == Role.MAINTAINER:
        _require_a_maintainer(repository)
    summary = f"{actor.username} took the role {role} in {repository.name} from {member}"
    _record(actor, repository, "repository.member_removed", member, summary, {"before": role})
    return repository


def _lock(repository: Repository) -> None:
    # Two maintainers who remove each other at the same time must not both succeed.
    Repository.objects.select_for_update(no_key=True).get(pk=repository.pk)


def _require_a_maintainer(repository: Repository) -> None:
    if not RepositoryRole.objects.filter(repository=repository, role=Role.MAINTAINER).exists():
        raise Conflict(
            "last_maintainer",
            f"{repository.name} would have no maintainer. Make somebody else maintainer first.",
        )


def _record(actor: User, repository: Repository, action: str, target: str, summary: str, data: dict[str, str]) -> None:
    audit.record(Actor.of(actor), action, target=target, repository=repository.name, summary=summary, data=data)
    announce(repository)
