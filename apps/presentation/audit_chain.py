"""What is known of the audit log's chain: when it was checked last, by whom, and with what result.

Only what a check really covered is called verified: entries written since are named, and then the
whole is "not verified" again (UX §2.8: unverified is never green).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

from apps.accounts.models import User
from apps.audit import verification
from apps.audit.models import AuditEntry
from apps.core.clock import now

KEY = "audit:verification"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of the whole chain. ``seq`` and ``hash``: its end at that moment."""

    at: datetime
    by: str
    ok: bool
    entries: int
    seq: int
    hash: str
    first_bad: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Chain:
    """``state``: a key of the words (verified, not_verified, broken). ``newer``: entries since the check."""

    state: str
    checked: Checked | None
    seq: int
    newer: int


def check_chain(user: User) -> Checked:
    """Walk the chain now and remember the result for everybody who looks at the page."""
    report = verification.verify()
    found = Checked(
        now(),
        user.username,
        report.ok,
        report.entries,
        report.head.seq,
        report.head.hash,
        report.first_bad,
        report.problem,
    )
    cache.set(KEY, found, None)
    return found


def chain() -> Chain:
    """The panel's facts; one query."""
    last = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    checked: Checked | None = cache.get(KEY)
    if checked is None:
        return Chain("not_verified", None, last, last)
    newer = max(0, last - checked.seq)
    if not checked.ok:
        return Chain("broken", checked, last, newer)
    return Chain("not_verified" if newer or last < checked.seq else "verified", checked, last, newer)
