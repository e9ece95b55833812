"""Who reviewed, whether it counts and why; who is asked, why, and why not others (UX §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import PolicyVerdict, ReviewStanding
from apps.presentation.markdown import to_html
from apps.reviews.models import Assignment, Review


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


@dataclass(frozen=True, slots=True)
class Asked:
    """One person who was asked. ``state`` is a word of presentation.words."""

    person: User
    duty: str
    reason: str
    since: datetime
    state: str
    detail: str


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
    hidden = row.shown.get("not_displayed", []) if isinstance(row.shown, dict) else []
    return f"{len(hidden)} file{'s' if len(hidden) != 1 else ''} not displayed at that moment" if hidden else ""


def asked(change: ChangeRequest) -> list[Asked]:
    """Everybody who is asked now, with what became of it; two queries."""
    given: dict[int, Review] = {}
    for review in (
        Review.objects.filter(change=change, stage=Review.Stage.MERGE).select_related("revision").order_by("pk")
    ):
        given[review.reviewer_id] = review
    rows = Assignment.objects.filter(change=change, ended_at=None).select_related("user").order_by("duty", "pk")
    return [_asked(change, row, given.get(row.user_id)) for row in rows]


def _asked(change: ChangeRequest, row: Assignment, review: Review | None) -> Asked:
    state, detail = "review_requested", ""
    if row.duty == Assignment.Duty.REVIEW and review is not None:
        state, detail = review.verdict, review.revision.label
    return Asked(row.user, row.duty, row.reason, row.created_at, state, detail)
