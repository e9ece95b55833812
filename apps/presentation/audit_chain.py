"""What is known of the audit log's chain: when it was checked last, by whom, and with what result.

Only what a check really covered is called verified: entries written since are named, and then the
whole is "not verified" again (UX §2.8: unverified is never green).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.cache import cache

from apps.accounts.models import User
from apps.audit import published, verification
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.core.clock import now

KEY = "audit:verification:2"


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
    published: int


@dataclass(frozen=True, slots=True)
class Chain:
    """``state``: a key of the words (verified, not_verified, broken). ``newer``: entries since the check.

    ``held``: why nothing is recorded now. ``publication``: how far the log is published; ``None`` before the first time.
    """

    state: str
    checked: Checked | None
    seq: int
    newer: int
    held: str
    publication: Publication | None


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
        report.published,
    )
    cache.set(KEY, found, None)
    return found


def chain() -> Chain:
    """The panel's facts; three queries."""
    last = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    held = AuditHead.objects.values_list("held", flat=True).first() or ""
    publication = Publication.objects.exclude(commit="").first()
    checked: Checked | None = cache.get(KEY)
    newer = max(0, last - (checked.seq if checked else 0))
    return Chain(_state(checked, last), checked, last, newer, held, publication)


def _state(checked: Checked | None, last: int) -> str:
    if checked is None:
        return "not_verified"
    if not checked.ok:
        return "broken"
    return "verified" if last == checked.seq else "not_verified"


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """``copied``: whether the copy elsewhere is as far; ``None`` where there is none. ``note``: empty before the first time, and where ``audit.git`` cannot be read."""

    row: Publication
    note: str
    verifier: str
    copied: bool | None
    held: str


def published_log() -> PublishedLog:
    """What an auditor needs to compare a clone of the published log with this portal."""
    row = Publication.objects.first() or Publication()
    held = AuditHead.objects.values_list("held", flat=True).first() or ""
    copied = row.pushed == row.commit if settings.PORTAL_AUDIT_REMOTE else None
    note = published.note_if_any(row.commit) if row.commit else ""
    return PublishedLog(row, note, published.signer().verifier, copied, held)
