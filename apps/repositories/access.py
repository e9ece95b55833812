"""Who may do what in a repository: one function per verb, used by page, API and socket."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.core.prepared import Prepared
from apps.core.reading import once_per_read
from apps.core.verdict import ALLOWED, Verdict, refused
from apps.repositories.models import Repository, RepositoryRole
from apps.repositories.roles import ASK, AUDIT, CAPABILITIES, DEPLOY, MAINTAIN, REVIEW, SEE, WRITE, Role

ADMINISTRATOR = frozenset({SEE, ASK, MAINTAIN, AUDIT})
"""An administrator keeps a repository in order; reviewing and deploying need a role that the record shows."""

NEEDED: dict[str, str] = {
    ASK: "viewer",
    WRITE: "author",
    REVIEW: "reviewer",
    DEPLOY: "deployer",
    MAINTAIN: "maintainer",
}
DOING: dict[str, str] = {
    ASK: "asking for a change",
    WRITE: "writing changes",
    REVIEW: "reviewing",
    DEPLOY: "deploying",
    MAINTAIN: "changing the settings",
    AUDIT: "reading the audit log",
}


@once_per_read
def role_of(user: User, repository: Repository) -> frozenset[str]:
    """All roles of ``user`` in ``repository``: their own and those of their teams."""
    if not user.is_active:
        return frozenset()
    return frozenset(_roles.ask(repository.pk, user.pk))


_roles: Prepared[str] = Prepared(
    lambda repository, user: RepositoryRole.objects.filter(
        Q(user=user) | Q(team__memberships__user=user), repository=repository
    ).values_list("role", flat=True),
    2,
)


def capabilities(user: User, repository: Repository) -> frozenset[str]:
    """What ``user`` can do in ``repository`` (names of :mod:`apps.repositories.roles`); one query."""
    found: frozenset[str] = frozenset().union(*(CAPABILITIES[role] for role in role_of(user, repository)))
    if user.is_active and user.is_superuser:
        return found | ADMINISTRATOR
    return found


def can(user: User, repository: Repository, capability: str) -> Verdict:
    """Whether ``user`` has ``capability``; a refusal names the role that is missing and who gives it."""
    held = capabilities(user, repository)
    if capability in held:
        return ALLOWED
    if SEE not in held:
        return refused("not_visible", "There is no such repository, or you may not see it.")
    role = NEEDED.get(capability, "auditor")
    return refused(
        f"not_{role}",
        f"{DOING[capability].capitalize()} in {repository.name} needs the role {role}. "
        "A maintainer of the repository can give it to you.",
        repository=repository.name,
        role=role,
    )


def can_see(user: User, repository: Repository) -> Verdict:
    return can(user, repository, SEE)


def who_see(repository: int, people: Collection[int]) -> set[int]:
    """Those of ``people`` (keys) of whom :func:`can_see` holds for the repository of this key; one query for all of them."""
    held = Q(repository_roles__repository=repository) | Q(memberships__team__repository_roles__repository=repository)
    rows = User.objects.filter(Q(is_superuser=True) | held, pk__in=people, is_active=True)
    return set(rows.values_list("pk", flat=True))


def can_ask(user: User, repository: Repository) -> Verdict:
    return can(user, repository, ASK)


def can_write(user: User, repository: Repository) -> Verdict:
    return can(user, repository, WRITE)


def can_review(user: User, repository: Repository) -> Verdict:
    return can(user, repository, REVIEW)


def can_deploy(user: User, repository: Repository) -> Verdict:
    return can(user, repository, DEPLOY)


def can_maintain(user: User, repository: Repository) -> Verdict:
    return can(user, repository, MAINTAIN)


def can_audit(user: User, repository: Repository) -> Verdict:
    return can(user, repository, AUDIT)


def can_connect(user: User) -> Verdict:
    """Connecting makes the portal reach out with credentials, so it is a permission of its own."""
    if user.is_active and (user.is_superuser or user.can_connect_repositories):
        return ALLOWED
    return refused(
        "not_allowed_to_connect",
        "Connecting a repository needs a permission that you do not have. An administrator can give it to you.",
    )


def require(user: User, repository: Repository, capability: str) -> None:
    """:class:`NotVisible` for outsiders, :class:`NotAllowed` for people whose role is too small."""
    verdict = can(user, repository, capability)
    if verdict.code == "not_visible":
        raise NotVisible("repository_not_found", verdict.text)
    verdict.require()


def require_see(user: User, repository: Repository) -> None:
    require(user, repository, SEE)


def require_ask(user: User, repository: Repository) -> None:
    require(user, repository, ASK)


def require_write(user: User, repository: Repository) -> None:
    require(user, repository, WRITE)


def require_review(user: User, repository: Repository) -> None:
    require(user, repository, REVIEW)


def require_deploy(user: User, repository: Repository) -> None:
    require(user, repository, DEPLOY)


def require_maintain(user: User, repository: Repository) -> None:
    require(user, repository, MAINTAIN)


def require_audit(user: User, repository: Repository) -> None:
    require(user, repository, AUDIT)


def require_connect(user: User) -> None:
    can_connect(user).require()


__all__ = [
    "Role",
    "can",
    "can_ask",
    "can_audit",
    "can_connect",
    "can_deploy",
    "can_maintain",
    "can_review",
    "can_see",
    "can_write",
    "capabilities",
    "require",
    "require_ask",
    "require_audit",
    "require_connect",
    "require_deploy",
    "require_maintain",
    "require_review",
    "require_see",
    "require_write",
    "role_of",
    "who_see",
]
