"""Reading reviews: the verdict, who is asked and why, whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.accounts.models import User
from apps.changes.lifecycle import OPEN, Status
from apps.changes.models import ChangeRequest
from apps.core.paging import first_rows
from apps.policies import evaluation
from apps.policies.config import Rule
from apps.policies.evaluation import PolicyVerdict
from apps.repositories.models import Repository
from apps.reviews import access
from apps.reviews.facts import approval_facts, policy_of
from apps.reviews.models import Assignment, Attention, Review

SECTION_LIMIT = 25

__all__ = [
    "approval_facts",
    "facts_and_verdict",
    "judge",
    "policy_of",
    "queue",
    "reviewers_panel",
    "verdict_of",
    "will_count",
]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with everything that led to it, so that it can be stored and replayed."""

    verdict: PolicyVerdict
    record: dict[str, object]


def judge(change: ChangeRequest, *, stage: str = Review.Stage.MERGE, environment: str = "") -> Judgement:
    """Judge one gate of ``change`` now, and keep the inputs."""
    rules, facts = _gate(change, stage, environment)
    return Judgement(evaluation.evaluate(rules, facts), evaluation.to_record(rules, facts))


def verdict_of(change: ChangeRequest, *, stage: str = Review.Stage.MERGE, environment: str = "") -> PolicyVerdict:
    """Whether ``change`` may be merged (or deployed to ``environment``) now, and if not, why."""
    return evaluation.evaluate(*_gate(change, stage, environment))


def facts_and_verdict(change: ChangeRequest) -> tuple[evaluation.Facts, PolicyVerdict]:
    """The verdict on merging ``change`` now, with the facts that led to it."""
    rules, facts = _gate(change, Review.Stage.MERGE, "")
    return facts, evaluation.evaluate(rules, facts)


def _gate(change: ChangeRequest, stage: str, environment: str) -> tuple[tuple[Rule, ...], evaluation.Facts]:
    """What one gate is judged by: the rules in force and the facts as they are now."""
    policy = policy_of(change)
    return policy.config.rules, approval_facts(change, stage=stage, environment=environment, policy=policy)


def will_count(user: User, change: ChangeRequest) -> str:
    """The sentence that a reviewer reads before approving: whether it counts, and for what."""
    may = access.can_review(user, change, verdict=Review.Verdict.APPROVE)
    if not may.allowed:
        return f"Your approval will not count: {may.text}"
    before = verdict_of(change)
    names = [row.name for row in before.requirements if user.username in row.who_can_act and row.action == "approves"]
    if names:
        return f"Your approval will count for: {', '.join(names)}."
    return "Your approval will be recorded; no requirement waits for it."


@dataclass(frozen=True, slots=True)
class ReviewerRow:
    """One person in the reviewers panel: state (requested, approved, requested changes) and why chosen."""

    user: User
    state: str
    revision: int
    reason: str
    counts: bool
    why_not: str


def reviewers_panel(change: ChangeRequest, verdict: PolicyVerdict) -> list[ReviewerRow]:
    """Everybody who was asked or has reviewed, in the order in which they came."""
    rows: dict[int, ReviewerRow] = {}
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None).select_related("user")
    for row in asked.order_by("pk"):
        rows[row.user_id] = ReviewerRow(row.user, "requested", 0, row.reason, counts=False, why_not="")
    standings = {(row.person, row.revision): row for row in verdict.standings}
    for review in change.reviews.exclude(verdict=Review.Verdict.COMMENT).select_related("reviewer", "revision"):
        before = rows.get(review.reviewer_id)
        standing = standings.get((review.reviewer_id, review.revision.number))
        rows[review.reviewer_id] = ReviewerRow(
            user=review.reviewer,
            state="approved" if review.verdict == Review.Verdict.APPROVE else "requested changes",
            revision=review.revision.number,
            reason=before.reason if before else "reviewed without being asked",
            counts=standing is not None and standing.counts,
            why_not="" if standing is None or standing.counts else standing.text,
        )
    return list(rows.values())


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One change in a queue: why it is there and since when."""

    change: ChangeRequest
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class QueueSection:
    """``rows`` holds at most :data:`SECTION_LIMIT`; ``more`` says that there are others, found by ``query``."""

    key: str
    title: str
    rows: tuple[QueueRow, ...]
    more: bool
    query: str


RELATED = ("repository", "requester", "owner", "revision", "verdict_snapshot")


def queue(user: User) -> list[QueueSection]:
    """The sections of ``user``'s queue (UX §2.2); a constant number of queries."""
    visible = ChangeRequest.objects.visible_to(user).select_related(*RELATED)
    mine = visible.filter(owner=user)
    in_review = visible.filter(status=Status.IN_REVIEW)
    turn = _turns(user).select_related(*(f"change__{name}" for name in RELATED))
    turn_rows = [
        QueueRow(row.change, row.reason, row.since) for row in first_rows(turn, "since", "pk", limit=SECTION_LIMIT + 1)
    ]
    return [
        _section("attention", "Needs my attention", turn_rows, "state:open attention:me"),
        _changes("ready", "Ready to merge", in_review.filter(verdict_snapshot__allowed=True), "state:in_review"),
        _changes("deploying", "Deploying now", _deploying(visible), "state:merged"),
        _changes("waiting", "Waiting on others", _waiting(in_review, user), "state:in_review"),
        _changes("drafts", "Drafts", mine.filter(status=Status.DRAFT), "state:draft owner:me"),
        _changes("backlog", "Backlog", visible.filter(status=Status.REQUESTED), "state:requested"),
        _changes("done", "Recently done", mine.filter(status=Status.DONE), "state:done owner:me"),
    ]


def _waiting(in_review: QuerySet[ChangeRequest], user: User) -> QuerySet[ChangeRequest]:
    """Changes that ``user`` wrote, asked for or reviewed, where it is somebody else's turn."""
    reviewed = Exists(Review.objects.filter(change=OuterRef("pk"), reviewer=user))
    own = in_review.filter(Q(owner=user) | Q(requester=user) | reviewed)
    return own.exclude(attention__user=user).exclude(verdict_snapshot__allowed=True)


def _deploying(visible: QuerySet[ChangeRequest]) -> QuerySet[ChangeRequest]:
    return visible.filter(status__in=[Status.MERGING, Status.MERGED])


def _changes(key: str, title: str, rows: QuerySet[ChangeRequest], query: str) -> QueueSection:
    newest = first_rows(rows, "-updated_at", "-pk", limit=SECTION_LIMIT + 1)
    found = [QueueRow(row, _line(row), row.updated_at) for row in newest]
    return _section(key, title, found, query)


def _section(key: str, title: str, rows: list[QueueRow], query: str) -> QueueSection:
    return QueueSection(key, title, tuple(rows[:SECTION_LIMIT]), len(rows) > SECTION_LIMIT, query)


def _line(change: ChangeRequest) -> str:
    snapshot = getattr(change, "verdict_snapshot", None)
    if change.status == Status.IN_REVIEW and snapshot is not None and snapshot.summary:
        return str(snapshot.summary)
    return f"asked for by {change.requester.username}"


def attention_count(user: User) -> int:
    """How many changes wait for ``user``: the number beside "My queue"."""
    return _turns(user).count()


def _turns(user: User) -> QuerySet[Attention]:
    """Open changes that wait for ``user``: found from the person, who waits in few, not from the changes."""
    states = [str(status) for status in OPEN]
    mine = Attention.objects.filter(user=user, change__status__in=states)
    return mine.filter(change__repository__in=Repository.objects.visible_to(user))
