"""Who reviewed, whether it counts and why (UX §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import PolicyVerdict, ReviewStanding
from apps.presentation.markdown import to_html
from apps.reviews.models import Review


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One review. ``standing`` is ``counts``, ``lost``, ``does_not_count`` or empty (a comment has none)."""

    person: User
    verdict: str
    revision: str
    at: datetime
    html: SafeString
    standing: str
    why: str
    environment: str
    not_shown: str


NAMED = 5
"""Parts that were not displayed which a review names; the others are counted."""
_LOST = frozenset(
    {"source_changed", "rendered_changed", "plan_changed", "base_moved", "retargeted", "expired", "policy_changed"}
)


def review_rows(change: ChangeRequest, verdict: PolicyVerdict) -> list[ReviewRow]:
    """All reviews, newest first, with what the verdict says of each approval; one query."""
    standings = {(row.person, row.revision): row for row in verdict.standings}
    rows = Review.objects.filter(change=change).select_related("reviewer", "revision").order_by("-pk")
    return [_row(row, standings.get((row.reviewer_id, row.revision.number))) for row in rows]


def _row(row: Review, standing: ReviewStanding | None) -> ReviewRow:
    word, why = "", ""
    if row.verdict == Review.Verdict.APPROVE and standing is not None and row.stage == Review.Stage.MERGE:
        word = "counts" if standing.counts else "lost" if standing.code in _LOST else "does_not_count"
        why = standing.text
    elif row.verdict == Review.Verdict.REQUEST_CHANGES:
        why = "Stands until its author gives another verdict."
    return ReviewRow(
        person=row.reviewer,
        verdict=row.verdict,
        revision=row.revision.label,
        at=row.created_at,
        html=to_html(row.body),
        standing=word,
        why=why,
        environment=row.environment,
        not_shown=_not_shown(row),
    )


def _not_shown(row: Review) -> str:
    """What the page had not displayed when the approval was given."""
    shown = row.shown if isinstance(row.shown, dict) else {}
    hidden = shown.get("not_displayed", [])
    total = shown.get("not_displayed_total", len(hidden))
    if not total:
        return ""
    named = "; ".join(f"{part['path']} ({part['reason']})" for part in hidden[:NAMED])
    more = f"; and {total - NAMED:,} more" if total > NAMED else ""
    return f"{total:,} {'part' if total == 1 else 'parts'} not displayed at that moment: {named}{more}"
