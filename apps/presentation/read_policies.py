"""The policies of many repositories at once, and which of them cannot be read: there nobody knows what holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from apps.policies.queries import BROKEN, Policy, policy_at
from apps.repositories.models import BranchTip, Repository
from apps.vcs.errors import GitFailed

MOST_NAMED = 5
"""Repositories that are named where some could not be read; the others are counted."""


def policies_of(repositories: Iterable[Repository]) -> dict[int, Policy]:
    """The policy at the tip of each default branch, by the key of the repository; without those whose mirror cannot be read, or lacks the tip.

    One query; the files are read from Git once and then kept by commit.
    """
    rows = {row.pk: row for row in repositories}
    tips = BranchTip.objects.filter(repository__in=rows).values_list("repository", "name", "oid")
    found = {}
    for pk, name, oid in tips:
        if name != rows[pk].default_branch or not oid:
            continue
        try:
            found[pk] = policy_at(rows[pk], name, oid)
        except GitFailed:  # of one repository; the board is of all
            continue
    return found


def is_unread(policy: Policy | None) -> bool:
    """Whether nobody knows what it says: the mirror cannot be read, or the file, and there is no valid version of before."""
    return policy is None or policy.governs == BROKEN


def known_policy(repository: Repository, branch: str, oid: str) -> Policy | None:
    """The policy at a commit; ``None`` where nobody knows it, as :func:`is_unread` says."""
    try:
        policy = policy_at(repository, branch, oid)
    except GitFailed:
        return None
    return None if is_unread(policy) else policy


def unread_among(repositories: Iterable[Repository], policies: Mapping[int, Policy]) -> set[str]:
    """Names of those of which nobody knows what holds there."""
    return {row.name for row in repositories if is_unread(policies.get(row.pk))}


def unread_words(names: Sequence[str]) -> str:
    """``2 repositories could not be read: infra, shop``; empty: all could."""
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    counted = f"{len(names)} repositories" if len(names) > 1 else "1 repository"
    return f"{counted} could not be read: {', '.join(names[:MOST_NAMED])}{more}"
