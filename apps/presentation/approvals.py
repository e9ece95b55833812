"""Who reviewed, whether it counts and why (UX §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.queries.verdicts import PastVerdict, past_verdicts
from apps.policies.evaluation import PolicyVerdict, ReviewStanding, Standing, evaluate
from apps.presentation.markdown import to_html
from apps.reviews.access import can_withdraw_review
from apps.reviews.given import reviews_of
from apps.reviews.models import Review
from apps.reviews.prospects import Outlook, outlooks
from apps.reviews.queries import gate_of


@dataclass(frozen=True, slots=True)
class Attested:
    """What was seen when the review was given: ``words`` in one line, and what was not displayed or only partly."""

    words: str
    lines: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One review. ``standing`` is ``counts``, ``lost``, ``does_not_count``, ``withdrawn`` or empty (a comment has none);
    ``counts_for`` names requirements, ``reasons`` say why it does not count, for all or for some of them.
    """

    id: int
    person: User
    verdict: str
    revision: str
    at: datetime
    html: SafeString
    standing: str
    counts_for: tuple[str, ...]
    reasons: tuple[str, ...]
    environment: str
    attested: Attested | None
    may_withdraw: bool
    with_rollback: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalsPage:
    verdict: PolicyVerdict
    rows: tuple[ReviewRow, ...]
    outlooks: tuple[Outlook, ...]
    objections: tuple[str, ...]
    past: tuple[PastVerdict, ...] = ()


_LOST = frozenset({
    "source_changed", "rendered_changed", "plan_changed", "base_moved", "retargeted", "reopened", "expired",
    "policy_changed",
})  # fmt: skip
_OF_ONE_RULE = frozenset({Standing.NOT_IN_GROUP, Standing.NOT_ALL_SEEN})


def approvals_page(user: User, change: ChangeRequest) -> ApprovalsPage:
    """All reviews, newest first, with what the verdict says of each; and what the verdict would be after one more."""
    rules, facts = gate_of(change)
    verdict = evaluate(rules, facts)
    rows = tuple(_row(user, change, row, verdict) for row in reversed(reviews_of(change)))
    waiting = change.status == "in_review"
    names = {person.id: person.username for person in facts.people}
    return ApprovalsPage(
        verdict=verdict,
        rows=rows,
        outlooks=tuple(outlooks(rules, facts, verdict)) if waiting else (),
        objections=tuple(names.get(row.person, "") for row in facts.change_requests),
        past=tuple(past_verdicts(change)) if change.status not in {"requested", "draft"} else (),
    )


def _row(user: User, change: ChangeRequest, row: Review, verdict: PolicyVerdict) -> ReviewRow:
    standing = next((found for found in verdict.standings if found.review == row.pk), None)
    word, counts_for, reasons = _worth(row, standing, verdict)
    return ReviewRow(
        id=row.pk,
        person=row.reviewer,
        verdict=row.verdict,
        revision=row.revision.label,
        at=row.created_at,
        html=to_html(row.body),
        standing=word,
        counts_for=counts_for,
        reasons=reasons,
        environment=row.environment,
        attested=_attested(row),
        may_withdraw=row.withdrawn_at is None and can_withdraw_review(user, change, row).allowed,
        with_rollback=row.with_rollback,
    )


def _worth(
    row: Review, standing: ReviewStanding | None, verdict: PolicyVerdict
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The word, the requirements that it counts for, and why not (for the others)."""
    if row.withdrawn_at is not None:
        return "withdrawn", (), (f"{row.reviewer.username} withdrew it.",)
    if row.verdict == Review.Verdict.REQUEST_CHANGES:
        return "", (), ("Stands until its author gives another verdict or withdraws it.",)
    if standing is None or row.stage != Review.Stage.MERGE:
        return "", (), ()
    if not standing.counts:
        return ("lost" if standing.code in _LOST else "does_not_count"), (), (standing.text,)
    counts_for, reasons = [], []
    for requirement in (found for found in verdict.requirements if found.needed):
        why_not = next((found for found in requirement.not_counted if found.review == row.pk), None)
        if why_not is None:
            counts_for.append(requirement.name)
        elif why_not.code in _OF_ONE_RULE:
            reasons.append(f"{requirement.name}: {why_not.text}")
    asked_for = counts_for or not reasons
    return ("counts" if asked_for else "does_not_count"), tuple(counts_for), tuple(reasons)


def _attested(row: Review) -> Attested | None:
    """The stored document in words (reviews.attestation); ``None`` for one from before it was kept."""
    shown = row.shown
    if not isinstance(shown, dict) or shown.get("version") != 1:
        return None
    hidden, partly = shown["not_displayed"], shown["partly"]
    words = f"{len(shown['viewed'])} of {shown['files']} files viewed"
    if hidden or partly or shown["more"]:
        words += f"; not displayed: {len(hidden)}, in part: {len(partly)}"
    if compared := shown.get("compared"):
        words += f"; reached from what changed between {compared['from']} and {compared['to']}"
    lines = tuple((entry["path"], entry["reason"]) for entry in (*hidden, *partly, *shown["notes"]))
    return Attested(words, lines[:_LINES], max(0, len(lines) - _LINES) + shown["more"])


_LINES = 20
