"""Facts that only some rules ask for: which windows last, who contributed, what pipelines reported. Nobody asks, nothing is read."""

from __future__ import annotations

from apps.changes.access import can_report
from apps.changes.models import ChangeRequest
from apps.changes.queries import check_reports
from apps.core.clock import now
from apps.policies import calendar
from apps.policies.config import GUEST_AUTHOR, SERVICE_AUTHOR, UNKNOWN_AUTHOR
from apps.policies.queries import Policy
from apps.repositories.roles import WRITE
from apps.reviews.people import People


def lasting(policy: Policy) -> tuple[str, ...] | None:
    """Names of the windows that last now, of those that rules name; ``None``: no rule names any."""
    asked = {name for rule in policy.config.rules for name in rule.when.windows}
    if not asked:
        return None
    moment = now()
    found = [window.name for window in policy.config.windows if calendar.span_at(window, moment) is not None]
    return tuple(name for name in found if name in asked)


def author_kinds(change: ChangeRequest, policy: Policy, people: People) -> tuple[str, ...] | None:
    """Which kinds of contributors there are, over all revisions; ``None``: no rule and no standard change asks."""
    if not policy.config.standards and not any(rule.when.authors for rule in policy.config.rules):
        return None
    kinds: set[str] = set()
    for row in change.contributions.select_related("user"):
        if row.user is None:
            kinds.add(UNKNOWN_AUTHOR)
        elif not row.user.is_human:
            kinds.add(SERVICE_AUTHOR)
        elif not people.can(row.user.pk, WRITE):
            kinds.add(GUEST_AUTHOR)
    return tuple(sorted(kinds))


def reported_checks(change: ChangeRequest, policy: Policy, stage: str) -> dict[str, str] | None:
    """Name → state of the newest report for exactly this merge result, by somebody who may report it now.

    ``None``: no rule of this stage asks.
    """
    asked = {name for rule in policy.config.rules if rule.stage == stage for name in rule.needs.checks}
    if not asked:
        return None
    known = list(check_reports(change).filter(name__in=asked))
    may = {row.reported_by_id: row.reported_by for row in known}
    trusted = {pk for pk, user in may.items() if can_report(user, change).allowed}
    return {row.name: row.state for row in known if row.reported_by_id in trusted}
