"""What a group may claim: requirements of which nobody is asked."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.policies.evaluation import PolicyVerdict
from apps.reviews.models import Assignment, Opening

CANDIDATES = 200
"""Of a larger group the first ones by name see it; everybody else finds it in the list of changes."""


def set_openings(change: ChangeRequest, verdict: PolicyVerdict | None) -> None:
    """Write who may claim what of ``change``; nothing where somebody of the group is asked. Keeps since when."""
    wanted = _wanted(change, verdict) if verdict is not None else {}
    present = {(row.user_id, row.need): row for row in Opening.objects.filter(change=change)}
    Opening.objects.filter(pk__in=[row.pk for key, row in present.items() if key not in wanted]).delete()
    Opening.objects.bulk_create(
        [
            Opening(change=change, user_id=key[0], need=key[1], reason=reason[:500], since=now())
            for key, reason in wanted.items()
            if key not in present
        ]
    )


def _wanted(change: ChangeRequest, verdict: PolicyVerdict) -> dict[tuple[int, str], str]:
    """(account id, need) → reason."""
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    names = set(asked.values_list("user__username", flat=True))
    needs = [
        row
        for row in verdict.requirements
        if row.action == "approves" and not row.is_satisfied and not names & set(row.who_can_act)
    ]
    candidates = {name for row in needs for name in row.who_can_act[:CANDIDATES]}
    ids = dict(User.objects.filter(username__in=candidates).values_list("username", "pk")) if candidates else {}
    return {
        (ids[name], row.name[:200]): f"{row.name} needs {row.needed - row.have} more; nobody is asked yet"
        for row in needs
        for name in row.who_can_act[:CANDIDATES]
        if name in ids
    }
