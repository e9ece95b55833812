"""What signing in leaves behind: sessions in the log, accounts and teams from the identity provider."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction

from apps.accounts.addresses import add_verified_address
from apps.accounts.claims import Claims
from apps.accounts.handles import suggested_handle
from apps.accounts.models import Team, TeamMembership, User
from apps.accounts.services.teams import announce, insert_team
from apps.audit.actors import SYSTEM, Actor
from apps.audit.services import record
from apps.core.errors import PortalError


@transaction.atomic
def record_sign_in(user: User, *, method: str) -> None:
    """``method``: ``password``, ``sso`` or what else allauth reports."""
    record(
        Actor.of(user),
        "session.started",
        target=f"user/{user.username}",
        summary=f"{user.username} signed in",
        data={"method": method},
    )


@transaction.atomic
def record_sign_out(user: User) -> None:
    record(Actor.of(user), "session.ended", target=f"user/{user.username}", summary=f"{user.username} signed out")


@transaction.atomic
def record_refused_sign_in(*, claimed: str, method: str, reason: str) -> None:
    """A failed attempt. A name that no account has is left out: people type passwords into the wrong field."""
    user = User.objects.filter(username=claimed.strip().lower()).first()
    if user is None and "@" in claimed:
        user = User.objects.filter(email__iexact=claimed.strip()).first()
    name = user.username if user else ""
    record(
        SYSTEM,
        "session.refused",
        target=f"user/{name}" if name else "",
        summary=f"Sign-in as {name} refused" if name else "Sign-in with an unknown name refused",
        data={"method": method, "reason": reason},
    )


@transaction.atomic
def register_from_provider(user: User, *, claims: Claims) -> User:
    """Finish a new account of the identity provider: identity, verified address, audit entry.

    ``user`` is saved already, with an unusable password and a free handle.
    """
    user.issuer, user.subject = claims.issuer, claims.subject
    user.display_name = user.display_name or claims.name
    user.save(update_fields=["issuer", "subject", "display_name"])
    if claims.verified_email:
        add_verified_address(user, claims.verified_email)
    record(
        _provider(claims.issuer),
        "user.created",
        target=f"user/{user.username}",
        summary=f"Account {user.username} created at first single sign-on",
        data={"issuer": claims.issuer, "subject": claims.subject, "email": user.email},
    )
    return user


@transaction.atomic
def sync_idp_groups(user: User, *, issuer: str, groups: Iterable[str], create_missing: bool | None = None) -> None:
    """Make the memberships that come from the identity provider exactly what ``groups`` says.

    A group stands for the team with that ``external_group``, else for the team of the same name
    that names no group. Memberships added here by hand stay. Groups without a team are ignored
    unless ``create_missing`` (default: the setting ``PORTAL_OIDC_CREATE_TEAMS``). One audit
    entry, only if something changed.
    """
    names = {group for group in groups if group}
    if settings.PORTAL_OIDC_CREATE_TEAMS if create_missing is None else create_missing:
        _create_missing_teams(names)
    wanted = {team.pk: team for team in Team.objects.for_groups(names)} if names else {}
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    current = {row.team_id: row for row in user.memberships.select_related("team")}
    gone = [row for pk, row in current.items() if pk not in wanted and row.source == TeamMembership.Source.IDP]
    new = [team for pk, team in wanted.items() if pk not in current]
    if not gone and not new:
        return
    TeamMembership.objects.filter(pk__in=[row.pk for row in gone]).delete()
    source = TeamMembership.Source.IDP
    TeamMembership.objects.bulk_create([TeamMembership(team=team, user=user, source=source) for team in new])
    record(
        _provider(issuer),
        "user.groups_synced",
        target=f"user/{user.username}",
        summary=f"Teams of {user.username} from the identity provider: {len(new)} added, {len(gone)} removed",
        data={"added": sorted(team.name for team in new), "removed": sorted(row.team.name for row in gone)},
    )
    announce([*(team.pk for team in new), *(row.team_id for row in gone)], [user.pk])


@transaction.atomic
def take_over_claims(user: User, *, claims: Claims) -> None:
    """What the provider says at a sign-in: a verified address that nobody else holds, and the groups.

    A provider that stops sending the groups claim takes all its memberships away: some leave the
    claim out when the last group is gone. ``PORTAL_OIDC_GROUPS_CLAIM`` empty: teams are left alone.
    """
    if claims.verified_email:
        add_verified_address(user, claims.verified_email)
    if settings.PORTAL_OIDC_GROUPS_CLAIM:
        sync_idp_groups(user, issuer=claims.issuer, groups=claims.groups or ())


def _create_missing_teams(groups: set[str]) -> None:
    known = Team.objects.for_groups(groups)
    taken = {team.external_group or team.name for team in known}
    for group in sorted(groups - taken):
        name = suggested_handle(group)
        # Never adopt a team that stands for another group.
        if not name or Team.objects.filter(name=name).exists():
            continue
        try:
            insert_team(Team(name=name, title=group[:150], external_group=group))
        except PortalError:  # a group name that no team can have stays ignored
            continue


def _provider(issuer: str) -> Actor:
    return Actor.outside("identity provider", issuer=issuer)
