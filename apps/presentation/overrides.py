"""Overrides of freezes and windows, as rows of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.reviews.access import can_withdraw_override


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """One override; ``withdrawn``: it was taken back."""

    id: int
    windows: str
    where: str
    reason: str
    given_by: User
    at: datetime
    withdrawn: bool
    may_withdraw: bool


def override_rows(user: User, change: ChangeRequest) -> list[OverrideRow]:
    """All that were given for ``change``, newest first."""
    return [
        OverrideRow(
            row.pk,
            ", ".join(row.windows),
            f"deployment to {row.environment}" if row.environment else "merge",
            row.reason,
            row.given_by,
            row.created_at,
            withdrawn=row.withdrawn_at is not None,
            may_withdraw=row.withdrawn_at is None and can_withdraw_override(user, change, row).allowed,
        )
        for row in change.window_overrides.select_related("given_by").order_by("-pk")
    ]
