"""What the forms offer to choose from."""

from __future__ import annotations

from django.db.models import Q

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.repositories.models import Repository
from apps.repositories.queries import branches
from apps.repositories.roles import CAPABILITIES, WRITE

PEOPLE_LIMIT = 200


def branch_names(repository: Repository) -> list[str]:
    """Branches that can be chosen, the default one first."""
    return [branch.name for branch in branches(repository) if branch.usable]


def source_branches(change: ChangeRequest) -> list[str]:
    """What could be attached: everything but the target, the branch that names the change first."""
    names = [name for name in branch_names(change.repository) if name != change.target_branch]
    own = f"change/{change.label}-".lower()
    return sorted(names, key=lambda name: not name.lower().startswith(own))


def target_branches(change: ChangeRequest) -> list[str]:
    return [
        name for name in branch_names(change.repository) if name not in {change.source_branch, change.target_branch}
    ]


def people_of(number: int) -> list[User]:
    """People who can write or review in the repository of a change, by handle; one query."""
    roles = [role for role, can in CAPABILITIES.items() if WRITE in can]
    repository = ChangeRequest.objects.filter(number=number).values("repository")
    alone = Q(repository_roles__repository__in=repository, repository_roles__role__in=roles)
    in_team = Q(
        memberships__team__repository_roles__repository__in=repository,
        memberships__team__repository_roles__role__in=roles,
    )
    people = User.objects.filter(alone | in_team, is_active=True, kind=User._meta.get_field("kind").default)
    return list(people.distinct().order_by("username")[:PEOPLE_LIMIT])
