"""Telling those who can help a merge that does not go on."""

from __future__ import annotations

from datetime import timedelta

from apps.deployments.models import MergeIntent
from apps.repositories.models import RepositoryRole
from apps.repositories.roles import Role
from apps.reviews.models import News
from apps.reviews.transitions import tell

STUCK_AFTER = timedelta(minutes=15)


def tell_who_can_help(intent: MergeIntent, text: str) -> None:
    """The people of the change and the maintainers of its repository. The caller has locked the change."""
    change = intent.change
    roles = RepositoryRole.objects.filter(repository=change.repository_id, role=Role.MAINTAINER, user__isnull=False)
    maintainers = [pk for pk in roles.values_list("user", flat=True) if pk]
    people = [change.owner_id or 0, change.requester_id, intent.requested_by_id, *maintainers]
    tell(change, people, kind=News.Kind.FAILED, text=text)
