"""Who is who in a repository, resolved in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts import queries as accounts
from apps.accounts.models import User
from apps.repositories.models import Repository, RepositoryRole
from apps.repositories.roles import CAPABILITIES, DEPLOY, MAINTAIN, REVIEW, WRITE

ROLE_MEANS = {"author": WRITE, "reviewer": REVIEW, "deployer": DEPLOY, "maintainer": MAINTAIN}
"""A rule's ``role/reviewer`` means everybody who can review, not only who has exactly that role."""


@dataclass(frozen=True)
class People:
    """``by_id``: everybody with a role here and everybody asked for; ``able``: capability → ids."""

    by_id: dict[int, User]
    able: dict[str, frozenset[int]]

    def can(self, user_id: int, capability: str) -> bool:
        return user_id in self.able.get(capability, frozenset())


def people_of(repository: Repository, others: Iterable[User] = ()) -> People:
    """Everybody who holds a role in ``repository``, alone or through a team, and ``others``."""
    by_id: dict[int, User] = {user.pk: user for user in others}
    able: dict[str, set[int]] = defaultdict(set)
    rows = RepositoryRole.objects.filter(repository=repository).select_related("user")
    for row in rows.prefetch_related("team__members"):
        members = [row.user] if row.user is not None else list(row.team.members.all()) if row.team is not None else []
        for user in members:
            by_id[user.pk] = user
            if user.is_active:
                for capability in CAPABILITIES[row.role]:
                    able[capability].add(user.pk)
    return People(by_id, {capability: frozenset(ids) for capability, ids in able.items()})


def principals(names: Iterable[str], people: People) -> dict[str, tuple[int, ...]]:
    """The ids behind ``team/x``, ``user/x``, ``role/x`` and the names of CODEOWNERS; unknown names are left out.

    CODEOWNERS (DESIGN §4): ``@name`` is a person, ``@group/name`` a team, an address a verified address.
    Adds the people it finds to ``people.by_id``.
    """
    wanted = set(names)
    aliases = {name: _principal(name) for name in wanted}
    addresses = [name for name in wanted if "@" in name[1:] and not name.startswith("@")]
    by_email = accounts.people_by_email(addresses)
    resolved = accounts.resolve_principals({alias for alias in aliases.values() if alias})
    found: dict[str, tuple[int, ...]] = {}
    for name, alias in aliases.items():
        users = resolved.users.get(alias, ())
        if not users and name in by_email:
            users = (by_email[name],)
        if alias.startswith("role/"):
            ids = tuple(sorted(people.able.get(ROLE_MEANS.get(alias.removeprefix("role/"), ""), ())))
        else:
            people.by_id.update({user.pk: user for user in users})
            ids = tuple(sorted(user.pk for user in users))
        if ids:
            found[name] = ids
    return found


def _principal(name: str) -> str:
    if name.startswith("@@"):
        return ""
    if name.startswith("@"):
        handle = name[1:]
        return f"team/{handle.rsplit('/', 1)[1]}" if "/" in handle else f"user/{handle.lower()}"
    return name if "/" in name and "@" not in name else ""
