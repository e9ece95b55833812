"""The use cases of people, absences, teams, tokens and signing in. Each writes one audit entry."""

from apps.accounts.services.absences import declare_absence, end_absence, set_time_zone
from apps.accounts.services.keyboard import choose_shortcuts
from apps.accounts.services.people import (
    create_user,
    deactivate_user,
    reactivate_user,
    set_connect_permission,
    set_sponsor,
)
from apps.accounts.services.signing_in import (
    record_refused_sign_in,
    record_sign_in,
    record_sign_out,
    register_from_provider,
    sync_idp_groups,
    take_over_claims,
)
from apps.accounts.services.teams import (
    add_team_member,
    create_team,
    remove_team_member,
    set_team_members,
    update_team,
)
from apps.accounts.services.tokens import TokenSession, authenticate_token, create_token, revoke_token

__all__ = [
    "TokenSession",
    "add_team_member",
    "authenticate_token",
    "choose_shortcuts",
    "create_team",
    "create_token",
    "create_user",
    "deactivate_user",
    "declare_absence",
    "end_absence",
    "reactivate_user",
    "record_refused_sign_in",
    "record_sign_in",
    "record_sign_out",
    "register_from_provider",
    "remove_team_member",
    "revoke_token",
    "set_connect_permission",
    "set_sponsor",
    "set_team_members",
    "set_time_zone",
    "sync_idp_groups",
    "take_over_claims",
    "update_team",
]
