"""Reading people, teams and tokens: frozen read models and look-ups for the contexts above."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db.models import Prefetch, Q
from django.db.models.functions import Lower

from apps.accounts.models import Absence, ApiToken, Team, TeamMembership, User
from apps.accounts.querysets import TeamQuerySet
from apps.core.errors import NotVisible


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One line of the people list. ``issuer`` is empty for a local account."""

    id: int
    handle: str
    name: str
    email: str
    kind: str
    is_active: bool
    is_administrator: bool
    can_connect_repositories: bool
    issuer: str
    teams: tuple[str, ...]
    sponsor: str = ""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One person in a team; ``source`` is ``manual`` or ``idp``."""

    handle: str
    name: str
    is_active: bool
    source: str


@dataclass(frozen=True, slots=True)
class TeamRow:
    id: int
    name: str
    title: str
    description: str
    external_group: str
    members: tuple[MemberRow, ...]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret. ``state``: ``active``, ``expired`` or ``revoked``."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class Principals:
    """``users``: for each principal its active people. ``unknown``: principals that name nobody we know."""

    users: dict[str, tuple[User, ...]]
    unknown: tuple[str, ...]


def people(
    *, text: str = "", include_inactive: bool = False, after: str = "", limit: int = 200
) -> tuple[PersonRow, ...]:
    """Accounts by handle; ``after`` is the last handle of the page before. Two queries."""
    rows = User.objects.filter(username__gt=after) if after else User.objects.all()
    if not include_inactive:
        rows = rows.filter(is_active=True)
    if text:
        rows = rows.filter(Q(username__icontains=text) | Q(display_name__icontains=text) | Q(email__icontains=text))
    found = (
        rows.order_by("username")
        .select_related("sponsor")
        .prefetch_related(Prefetch("teams", Team.objects.order_by("name")))[:limit]
    )
    return tuple(_person(user) for user in found)


def person(handle: str) -> PersonRow:
    """One account; NotVisible ``user_not_found``."""
    return _person(user_by_handle(handle))


def user_by_handle(handle: str) -> User:
    """NotVisible ``user_not_found`` when nobody has this handle."""
    user = User.objects.filter(username=handle.strip().lower()).first()
    if user is None:
        raise NotVisible("user_not_found", f"There is no account {handle}.")
    return user


def users_by_handle(handles: Iterable[str]) -> dict[str, User]:
    """Accounts for these handles, keyed as they were written; unknown ones are left out. One query."""
    written = {handle: handle.strip().lower() for handle in handles}
    found = {user.username: user for user in User.objects.filter(username__in=set(written.values()))}
    return {handle: found[key] for handle, key in written.items() if key in found}


def people_by_email(emails: Iterable[str]) -> dict[str, User]:
    """Whose verified address each is, keyed as written; unknown ones are left out. One query.

    Every verified address of an account counts (a person commits under several), in any case.
    An unverified one never does: anybody can claim it. Deactivated accounts are included,
    because who wrote something stays its author.
    """
    written = {email: email.strip().lower() for email in emails if email}
    rows = EmailAddress.objects.annotate(lowered=Lower("email")).filter(
        verified=True, lowered__in=set(written.values())
    )
    owners = {row.lowered: row.user for row in rows.select_related("user").order_by("-pk")}
    return {email: owners[key] for email, key in written.items() if key in owners}


def addresses_of(user_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """The verified addresses of these accounts, in lower case. One query."""
    found: dict[int, set[str]] = {}
    rows = EmailAddress.objects.filter(user__in=user_ids, verified=True)
    for user_id, email in rows.values_list("user_id", "email"):
        found.setdefault(user_id, set()).add(email.lower())
    return {user_id: frozenset(emails) for user_id, emails in found.items()}


def absences_at(moment: datetime) -> dict[int, Absence]:
    """Who is away at ``moment``, by account, with deputies. One query."""
    return {row.user_id: row for row in Absence.objects.at(moment).select_related("user", "deputy")}


def absences_of(user: User, *, at: datetime) -> tuple[Absence, ...]:
    """Absences of ``user`` that last at ``at`` or come later."""
    return tuple(user.absences.not_over(at).select_related("deputy"))


def absence_of(user: User, absence_id: int) -> Absence:
    """One absence of ``user``; NotVisible ``absence_not_found`` also for that of somebody else."""
    found = user.absences.select_related("user", "deputy").filter(pk=absence_id).first()
    if found is None:
        raise NotVisible("absence_not_found", "There is no such absence.")
    return found


def teams(*, limit: int = 500) -> tuple[TeamRow, ...]:
    """All teams with their members, by name. Two queries."""
    return tuple(_team(row) for row in _with_members().order_by("name")[:limit])


def team(name: str) -> TeamRow:
    """One team with its members; NotVisible ``team_not_found``."""
    found = _with_members().filter(name=name).first()
    if found is None:
        raise NotVisible("team_not_found", f"There is no team {name}.")
    return _team(found)


def team_by_name(name: str) -> Team:
    """NotVisible ``team_not_found``."""
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise NotVisible("team_not_found", f"There is no team {name}.")
    return found


def teams_of(user: User) -> frozenset[str]:
    """Names of the teams that ``user`` is in now."""
    return frozenset(Team.objects.of_member(user).values_list("name", flat=True))


def team_members(name: str) -> tuple[User, ...]:
    """Active people of team ``name`` by handle; empty for an unknown team."""
    return tuple(User.objects.filter(teams__name=name, is_active=True).order_by("username"))


def resolve_principals(principals: Collection[str]) -> Principals:
    """People behind ``team/x`` and ``user/y`` (active ones only). Two queries, whatever the number.

    Other kinds (``role/x``, ``code-owners``) are not known to this context and come back as unknown.
    """
    team_names = {text.removeprefix("team/") for text in principals if text.startswith("team/")}
    by_team: dict[str, list[User]] = {row.name: [] for row in Team.objects.filter(name__in=team_names)}
    memberships = TeamMembership.objects.filter(team__name__in=team_names, user__is_active=True)
    for membership in memberships.select_related("user", "team").order_by("user__username"):
        by_team[membership.team.name].append(membership.user)
    handles = [text.removeprefix("user/") for text in principals if text.startswith("user/")]
    by_handle = users_by_handle(handles)
    users = {f"team/{name}": tuple(members) for name, members in by_team.items()}
    users |= {f"user/{name}": (user,) if user.is_active else () for name, user in by_handle.items()}
    return Principals(users=users, unknown=tuple(text for text in principals if text not in users))


def tokens_of(user: User, *, at: datetime) -> tuple[TokenRow, ...]:
    """Tokens of ``user``, newest first, with their state at ``at``."""
    return tuple(_token(row, at) for row in user.api_tokens.order_by("-pk"))


def token_of(user: User, token_id: int) -> ApiToken:
    """One token of ``user``; NotVisible ``token_not_found`` also for the token of somebody else."""
    token = user.api_tokens.select_related("user").filter(pk=token_id).first()
    if token is None:
        raise NotVisible("token_not_found", "There is no such token.")
    return token


def _with_members() -> TeamQuerySet:
    members = TeamMembership.objects.select_related("user").order_by("user__username")
    return Team.objects.prefetch_related(Prefetch("memberships", members))


def _person(user: User) -> PersonRow:
    return PersonRow(
        id=user.pk,
        handle=user.username,
        name=user.shown_name,
        email=user.email,
        kind=str(user.kind),
        is_active=user.is_active,
        is_administrator=user.is_superuser,
        can_connect_repositories=user.can_connect_repositories,
        issuer=user.issuer,
        teams=tuple(row.name for row in user.teams.all()),
        sponsor=user.sponsor.username if user.sponsor else "",
    )


def _team(row: Team) -> TeamRow:
    members = tuple(
        MemberRow(handle=m.user.username, name=m.user.shown_name, is_active=m.user.is_active, source=str(m.source))
        for m in row.memberships.all()
    )
    return TeamRow(row.pk, row.name, row.title, row.description, row.external_group, members)


def _token(row: ApiToken, at: datetime) -> TokenRow:
    state = "revoked" if row.revoked_at else ("active" if row.is_usable(at) else "expired")
    return TokenRow(
        row.pk, row.name, row.prefix, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_at, state
    )
