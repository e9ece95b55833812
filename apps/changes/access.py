"""Who may do what with a change; what a repository role allows is decided in ``repositories.access``."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.core.verdict import ALLOWED, Verdict, refused
from apps.repositories import access as repositories
from apps.repositories.models import Repository
from apps.repositories.roles import ASK, MAINTAIN, SEE, WRITE

NOT_VISIBLE = "There is no such change, or you may not see it."


def can_see(user: User, change: ChangeRequest) -> Verdict:
    return repositories.can_see(user, change.repository)


def can_create(user: User, repository: Repository, *, with_branch: bool) -> Verdict:
    """Anyone who may ask; opening a change from a branch is writing."""
    return repositories.can_write(user, repository) if with_branch else repositories.can_ask(user, repository)


def can_attach(user: User, change: ChangeRequest) -> Verdict:
    return repositories.can_write(user, change.repository)


def can_mark_ready(user: User, change: ChangeRequest) -> Verdict:
    """Ready, and back to draft."""
    return repositories.can_write(user, change.repository)


def can_retarget(user: User, change: ChangeRequest) -> Verdict:
    return repositories.can_write(user, change.repository)


def can_render(user: User, change: ChangeRequest) -> Verdict:
    """Rendering anew and giving a rendering up: everybody who writes or reviews here."""
    return repositories.can_write(user, change.repository)


def can_report(user: User, change: ChangeRequest) -> Verdict:
    """Reporting a check."""
    return _speaks_for_pipeline(user, change, "reports its checks", "Checks of {} are reported")


def can_hand_in(user: User, change: ChangeRequest) -> Verdict:
    """Handing in a plan: reviewers and rules judge by it, so it is none of those who want it approved."""
    return _speaks_for_pipeline(user, change, "hands in its plans", "Plans of {} are handed in")


def _speaks_for_pipeline(user: User, change: ChangeRequest, does: str, is_done: str) -> Verdict:
    """Service accounts that write here, and maintainers; nobody for a change of their own."""
    may = repositories.can_write(user, change.repository)
    if not may.allowed:
        return may
    if change.contributions.filter(user=user).exists() or user.pk in {change.requester_id, change.owner_id}:
        return refused("contributor", f"You contributed to {change.label}, so somebody else {does}.")
    if not user.is_human or repositories.can_maintain(user, change.repository).allowed:
        return ALLOWED
    return refused(
        "not_a_pipeline",
        f"{is_done.format(change.label)} by the service account of a pipeline, or by a maintainer.",
    )


def can_take(user: User, change: ChangeRequest) -> Verdict:
    """Taking a change upon oneself means to write it."""
    return repositories.can_write(user, change.repository)


def can_edit(user: User, change: ChangeRequest) -> Verdict:
    """Title and description: who asked, who owns it, and everybody who writes here."""
    return _own_or(user, change, WRITE, "editing")


def can_withdraw(user: User, change: ChangeRequest) -> Verdict:
    """Giving up and taking up again: who asked, who owns it, and maintainers."""
    return _own_or(user, change, MAINTAIN, "withdrawing or reopening")


def can_close(user: User, change: ChangeRequest) -> Verdict:
    """Declaring a merged change done although deployments are missing."""
    return repositories.can_maintain(user, change.repository)


def require_visible(verdict: Verdict) -> None:
    """Outsiders learn nothing: :class:`NotVisible`; others get the reason."""
    if verdict.code == "not_visible":
        raise NotVisible("change_not_found", NOT_VISIBLE)
    verdict.require()


def _own_or(user: User, change: ChangeRequest, capability: str, doing: str) -> Verdict:
    held = repositories.capabilities(user, change.repository)
    if SEE not in held:
        return refused("not_visible", NOT_VISIBLE)
    mine = user.pk in {change.requester_id, change.owner_id}
    if capability in held or (mine and ASK in held):
        return ALLOWED
    role = repositories.NEEDED[capability]
    return refused(
        "not_owner",
        f"{doing.capitalize()} {change.label} is up to who asked for it ({change.requester.username}), its owner, "
        f"or somebody with the role {role} in {change.repository.name}.",
        repository=change.repository.name,
        role=role,
    )
