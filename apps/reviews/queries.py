"""Reading reviews: the verdict, who is asked and why."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.policies import evaluation
from apps.policies.config import Rule
from apps.policies.evaluation import PolicyVerdict
from apps.reviews.facts import approval_facts, policy_of
from apps.reviews.models import Assignment, Choice, Emergency, Review

__all__ = [
    "approval_facts",
    "facts_and_verdict",
    "gate_of",
    "judge",
    "owed_of",
    "policy_of",
    "request_of",
    "reviewers_panel",
    "verdict_of",
]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with everything that led to it, so that it can be stored and replayed."""

    verdict: PolicyVerdict
    record: dict[str, object]
    is_emergency: bool = False

    def to_stored(self) -> dict[str, object]:
        """The verdict as JSON types, with its ``inputs``."""
        return {**self.verdict.to_dict(), "inputs": self.record}


def judge(change: ChangeRequest, *, stage: str = Review.Stage.MERGE, environment: str = "") -> Judgement:
    """Judge one gate of ``change`` now, and keep the inputs."""
    rules, facts = gate_of(change, stage, environment)
    verdict = evaluation.evaluate(rules, facts)
    by_emergency = bool(evaluation.skipped_by_emergency(verdict))
    return Judgement(verdict, evaluation.to_record(rules, facts), by_emergency)


def verdict_of(change: ChangeRequest, *, stage: str = Review.Stage.MERGE, environment: str = "") -> PolicyVerdict:
    """Whether ``change`` may be merged (or deployed to ``environment``) now, and if not, why."""
    return evaluation.evaluate(*gate_of(change, stage, environment))


def facts_and_verdict(change: ChangeRequest) -> tuple[evaluation.Facts, PolicyVerdict]:
    """The verdict on merging ``change`` now, with the facts that led to it."""
    rules, facts = gate_of(change)
    return facts, evaluation.evaluate(rules, facts)


def gate_of(
    change: ChangeRequest, stage: str = Review.Stage.MERGE, environment: str = ""
) -> tuple[tuple[Rule, ...], evaluation.Facts]:
    """What one gate is judged by: the rules in force and the facts as they are now."""
    policy = policy_of(change)
    return policy.config.rules, approval_facts(change, stage=stage, environment=environment, policy=policy)


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


def choice_of(change: ChangeRequest) -> tuple[Choice | None, bool]:
    """How the people of ``change`` were chosen last, and whether that is being done anew: something has happened since."""
    choice = Choice.objects.select_related("change__verdict_snapshot").filter(change=change).first()
    if change.status != Status.IN_REVIEW:
        return choice, False
    seen = getattr(choice.change, "verdict_snapshot", None) if choice is not None else None
    return choice, seen is None or seen.stale or seen.change_version != change.version


def request_of(change: ChangeRequest, user: User) -> Assignment:
    """The open request that ``user`` reviews ``change``; Conflict ``not_assigned`` without one."""
    rows = Assignment.objects.filter(change=change, user=user, duty=Assignment.Duty.REVIEW, ended_at=None)
    row = rows.select_related("user").first()
    if row is None:
        raise Conflict("not_assigned", f"{user.username} is not asked to review {change.label}; reload to see who is.")
    return row


def owed_of(change: ChangeRequest, emergency: Emergency) -> list[evaluation.Requirement]:
    """What the rules of the gates that ``emergency`` opened still miss."""
    found: list[evaluation.Requirement] = []
    config = policy_of(change).config
    for stage, environment in emergency.uses:
        known = config.environment(environment)
        if environment and (known is None or not known.protected):
            continue  # rules of that stage hold protected environments only
        found += evaluation.owed_requirements(*gate_of(change, stage, environment))
    return found
