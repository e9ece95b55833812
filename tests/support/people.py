"""The cast as accounts: made through the service, with verified addresses and one password."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import Team, TeamMembership, User
from apps.accounts.services import create_user

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Cast:
    """alice author, bob and kim reviewers, carol release manager, dave auditor, erin administrator, mallory outsider."""

    alice: User
    bob: User
    carol: User
    dave: User
    erin: User
    mallory: User
    kim: User


def person(name: str, **options: bool | str) -> User:
    """One account NAME with the verified address NAME@example.org and :data:`PASSWORD`."""
    return create_user(
        None,
        username=name,
        email=f"{name}@example.org",
        display_name=name.title(),
        password=PASSWORD,
        **options,  # type: ignore[arg-type]
    )


def cast() -> Cast:
    """Everybody. Roles in repositories are given by the test; carol may connect repositories, erin administers."""
    return Cast(
        alice=person("alice"),
        bob=person("bob"),
        carol=person("carol", can_connect_repositories=True),
        dave=person("dave"),
        erin=person("erin", is_administrator=True),
        mallory=person("mallory"),
        kim=person("kim"),
    )


def team(name: str, *members: User, external_group: str = "") -> Team:
    """A team with these members, added by hand."""
    made = Team.objects.create(name=name, title=name.upper(), external_group=external_group)
    for user in members:
        TeamMembership.objects.create(team=made, user=user)
    return made
