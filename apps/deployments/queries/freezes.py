"""Frozen target branches. Reads only."""

from __future__ import annotations

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.deployments.models import TargetFreeze
from apps.deployments.querysets import TargetFreezeQuerySet
from apps.repositories import queries as repositories
from apps.repositories.models import Repository


def freezes_of(repository: Repository) -> TargetFreezeQuerySet:
    """All of ``repository``, the newest first."""
    return TargetFreeze.objects.filter(repository=repository).select_related("repository", "change", "lifted_by")


def open_freeze(repository_id: int, branch: str) -> TargetFreeze | None:
    """The freeze that holds ``branch`` now."""
    return TargetFreeze.objects.open().filter(repository=repository_id, branch=branch).first()


def find_freeze(user: User, repository: str, pk: int) -> TargetFreeze:
    """:class:`NotVisible` unless it exists and ``user`` may see the repository."""
    row = freezes_of(repositories.find(user, repository)).filter(pk=pk).first()
    if row is None:
        raise NotVisible("freeze_not_found", f"{repository} has no frozen branch {pk}.")
    return row


def words_of(freeze: TargetFreeze) -> str:
    """Why nothing goes to a frozen branch, and who ends that."""
    return f"{freeze.branch} is frozen: {freeze.reason} A maintainer looks, and lifts the freeze on the page of the repository."
