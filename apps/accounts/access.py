"""Who may manage people, teams and tokens. Roles in repositories are judged in ``repositories``."""

from __future__ import annotations

from apps.accounts.models import Absence, ApiToken, User
from apps.core.verdict import ALLOWED, Verdict, refused

_INACTIVE = refused("inactive", "This account is deactivated. An administrator can reactivate it.")


def can_manage_people(actor: User) -> Verdict:
    """Create, deactivate and reactivate accounts, give portal-wide permissions."""
    return _administrator(actor, "manage accounts")


def can_manage_teams(actor: User) -> Verdict:
    """Change a team and who is in it: membership decides who may approve."""
    return _administrator(actor, "change teams and their members")


def can_create_team(actor: User) -> Verdict:
    """Administrators, and those who may connect repositories (they need teams to give roles to)."""
    if actor.is_active and actor.can_connect_repositories:
        return ALLOWED
    return _administrator(actor, "create teams")


def can_create_token(actor: User, owner: User) -> Verdict:
    """One's own; those of a service account are made by administrators."""
    if not actor.is_active or not owner.is_active:
        return _INACTIVE
    if actor.pk == owner.pk or (actor.is_superuser and not owner.is_human):
        return ALLOWED
    return refused("not_owner", f"Only {owner.username} can create tokens for {owner.username}.")


def can_revoke_token(actor: User, token: ApiToken) -> Verdict:
    """One's own; administrators revoke any."""
    if not actor.is_active:
        return _INACTIVE
    if actor.pk == token.user_id or actor.is_superuser:
        return ALLOWED
    return refused("not_owner", "Only the owner of a token or an administrator can revoke it.")


def can_choose_shortcuts(actor: User, owner: User) -> Verdict:
    """One's own keys only: nobody else knows how a person types."""
    if not actor.is_active:
        return _INACTIVE
    if actor.pk == owner.pk:
        return ALLOWED
    return refused("not_owner", f"Only {owner.username} can change the keyboard of {owner.username}.")


def can_declare_absence(actor: User, person: User) -> Verdict:
    """One's own; an administrator enters it for somebody who cannot."""
    if not actor.is_active or not person.is_active:
        return _INACTIVE
    if not person.is_human:
        return refused("service_account", "A service account is never asked, so it needs no absence.")
    if actor.pk == person.pk or actor.is_superuser:
        return ALLOWED
    return refused("not_owner", f"Only {person.username} or an administrator can say when {person.username} is away.")


def can_end_absence(actor: User, absence: Absence) -> Verdict:
    """The same people take it back."""
    return can_declare_absence(actor, absence.user)


def _administrator(actor: User, what: str) -> Verdict:
    if not actor.is_active:
        return _INACTIVE
    if actor.is_superuser:
        return ALLOWED
    return refused("not_administrator", f"Only administrators may {what}. Ask one of them.")
