"""What a token may be limited to. A scope never gives more than its owner's roles do."""

from __future__ import annotations

from collections.abc import Iterable

from apps.accounts.models import User
from apps.core.errors import InvalidInput

READ, PROPOSE, REVIEW, DEPLOY, MANAGE, ADMIN = "read", "propose", "review", "deploy", "manage", "admin"

SCOPES: dict[str, str] = {
    READ: "Read everything that the owner may see.",
    PROPOSE: "Ask for changes, open, edit, attach, retarget and withdraw them, write comments, report checks.",
    REVIEW: "Give reviews and approvals, override windows, confirm emergencies, abort merges. Never given to service accounts.",
    DEPLOY: "Merge; start, schedule, cancel, retry and roll back deployments; declare emergencies, lock environments.",
    MANAGE: "Connect repositories, manage their members and secrets, create teams, manage one's own tokens.",
    ADMIN: "Manage people, teams and connections. Only for administrators.",
}


def possible_scopes(user: User) -> tuple[str, ...]:
    """All that a token of ``user`` may carry, in the order of :data:`SCOPES`."""
    refused = set()
    if not user.is_human:
        refused.add(REVIEW)
    if not user.is_superuser:
        refused.add(ADMIN)
    return tuple(scope for scope in SCOPES if scope not in refused)


def checked_scopes(user: User, wanted: Iterable[str] | None) -> list[str]:
    """``wanted`` in a fixed order (``None``: all that is possible); InvalidInput ``bad_scope`` otherwise."""
    possible = possible_scopes(user)
    if wanted is None:
        return list(possible)
    chosen = set(wanted)
    wrong = sorted(chosen - set(possible))
    if wrong or not chosen:
        named = ", ".join(wrong) or "an empty list"
        raise InvalidInput(
            "bad_scope",
            f"A token of {user.username} cannot have the scope {named}. Possible: {', '.join(possible)}.",
            field="scopes",
        )
    return [scope for scope in possible if scope in chosen]
