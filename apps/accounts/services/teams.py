"""Teams and their members. Membership decides who may approve, so every change is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts import signals
from apps.accounts.access import can_create_team, can_manage_teams
from apps.accounts.models import Team, TeamMembership, User
from apps.audit.actors import Actor
from apps.audit.services import record
from apps.core.errors import Conflict, InvalidInput


@transaction.atomic
def create_team(
    actor: User,
    *,
    name: str,
    title: str = "",
    description: str = "",
    external_group: str = "",
    members: Iterable[User] = (),
) -> Team:
    """A new team with its first members. InvalidInput ``bad_team_name``, Conflict ``team_exists``."""
    can_create_team(actor).require()
    people = sorted(set(members), key=lambda user: user.username)
    team = insert_team(Team(name=name, title=title, description=description, external_group=external_group))
    TeamMembership.objects.bulk_create([TeamMembership(team=team, user=user) for user in people])
    record(
        Actor.of(actor),
        "team.created",
        target=f"team/{team.name}",
        summary=f"Team {team.name} created with {len(people)} members",
        data={"members": [user.username for user in people], "external_group": external_group},
    )
    announce([team.pk], [user.pk for user in people])
    return team


@transaction.atomic
def update_team(actor: User, *, team: Team, title: str, description: str, external_group: str) -> Team:
    """Change how a team is shown and which group of the identity provider it stands for; its name stays."""
    can_manage_teams(actor).require()
    team.title, team.description, team.external_group = title, description, external_group
    _clean(team)
    team.save(update_fields=["title", "description", "external_group"])
    record(
        Actor.of(actor),
        "team.updated",
        target=f"team/{team.name}",
        summary=f"Team {team.name} changed",
        data={"title": title, "description": description, "external_group": external_group},
    )
    return team


@transaction.atomic
def set_team_members(actor: User, *, team: Team, members: Collection[User]) -> Team:
    """Make ``members`` exactly the team. Who comes from the identity provider returns at the next sign-in."""
    can_manage_teams(actor).require()
    wanted = {user.pk: user for user in members}
    current = {row.user_id: row for row in _locked(team).memberships.select_related("user")}
    gone = [row for pk, row in current.items() if pk not in wanted]
    new = [user for pk, user in wanted.items() if pk not in current]
    team.memberships.filter(pk__in=[row.pk for row in gone]).delete()
    TeamMembership.objects.bulk_create([TeamMembership(team=team, user=user) for user in new])
    record(
        Actor.of(actor),
        "team.members_set",
        target=f"team/{team.name}",
        summary=f"Members of team {team.name}: {len(new)} added, {len(gone)} removed",
        data={
            "added": sorted(user.username for user in new),
            "removed": sorted(row.user.username for row in gone),
            "members": sorted(user.username for user in wanted.values()),
        },
    )
    announce([team.pk], [*(user.pk for user in new), *(row.user_id for row in gone)])
    return team


@transaction.atomic
def add_team_member(actor: User, *, team: Team, user: User) -> TeamMembership:
    """Conflict ``already_member`` when the person is in the team."""
    can_manage_teams(actor).require()
    membership, created = TeamMembership.objects.get_or_create(team=_locked(team), user=user)
    if not created:
        raise Conflict("already_member", f"{user.username} is in team {team.name} already.")
    _record_member(actor, "team.member_added", team, user, f"{user.username} added to team {team.name}")
    return membership


@transaction.atomic
def remove_team_member(actor: User, *, team: Team, user: User) -> None:
    """Conflict ``not_a_member``. Who comes from the identity provider returns at the next sign-in."""
    can_manage_teams(actor).require()
    removed, _ = _locked(team).memberships.filter(user=user).delete()
    if not removed:
        raise Conflict("not_a_member", f"{user.username} is not in team {team.name}.")
    _record_member(actor, "team.member_removed", team, user, f"{user.username} removed from team {team.name}")


def insert_team(team: Team) -> Team:
    """Save a new team; shared with the take-over of groups."""
    _clean(team)
    try:
        with transaction.atomic():
            team.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("team_exists", f"There is a team {team.name} already.") from error
    return team


def announce(team_ids: list[int], user_ids: list[int]) -> None:
    """Tell the contexts above, once this is committed."""
    if team_ids and user_ids:
        transaction.on_commit(
            lambda: signals.team_membership_changed.send(sender=None, team_ids=team_ids, user_ids=user_ids)
        )


def _clean(team: Team) -> None:
    try:
        team.clean_fields()
    except ValidationError as error:
        fields = {name: " ".join(messages) for name, messages in error.message_dict.items()}
        raise InvalidInput("bad_team_name", " ".join(error.messages), fields=fields) from error


def _locked(team: Team) -> Team:
    """The row of the team, locked, so that two changes of its members happen one after the other."""
    return Team.objects.select_for_update(no_key=True).get(pk=team.pk)


def _record_member(actor: User, action: str, team: Team, user: User, summary: str) -> None:
    record(Actor.of(actor), action, target=f"team/{team.name}", summary=summary, data={"user": user.username})
    announce([team.pk], [user.pk])
