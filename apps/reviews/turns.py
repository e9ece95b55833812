"""Gathering what decides whose turn it is; the decision itself is :func:`apps.reviews.attention.decide`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import PolicyVerdict, ReviewStanding, Standing
from apps.repositories.roles import ASK, MAINTAIN
from apps.reviews.attention import AskedReviewer, OpenCall, TurnFacts
from apps.reviews.models import Assignment, Call, Review, Thread
from apps.reviews.people import People, people_of

OWN_DOING = frozenset({Standing.SUPERSEDED, Standing.UNKNOWN})
"""An approval that its giver took back themselves is not lost."""


def turn_facts(change: ChangeRequest, verdict: PolicyVerdict | None, calls: Iterable[Call]) -> TurnFacts:
    """The facts of ``change`` as they are now; ``verdict`` is that of merging, where there is one to judge."""
    people = people_of(change.repository)
    in_review = change.status == Status.IN_REVIEW and verdict is not None
    return TurnFacts(
        status=str(change.status),
        able=_able(people),
        owner=_owner(change, people),
        writers=_writers(change) if change.status == Status.REQUESTED else {},
        maintainers=tuple(sorted(people.able.get(MAINTAIN, ()))) if change.status == Status.REQUESTED else (),
        reviewers=tuple(_reviewers(change, verdict)) if in_review and verdict else (),
        allowed=bool(in_review and verdict and verdict.allowed),
        unmet=frozenset(row.code for row in verdict.requirements if not row.is_satisfied) if verdict else frozenset(),
        questions=in_review and _questions(change),
        calls=tuple(OpenCall(row.user_id, row.origin, row.reason, row.made_by_id or 0) for row in calls),
    )


def _able(people: People) -> frozenset[int]:
    """Active people with a role in which they can say something; programs and strangers are never waited for."""
    return frozenset(pk for pk in people.able.get(ASK, ()) if people.by_id[pk].is_human)


def _owner(change: ChangeRequest, people: People) -> int:
    """Who writes it; if they cannot any more, who asked for it."""
    able = _able(people)
    return next((pk for pk in (change.owner_id, change.requester_id) if pk in able), 0)


def _writers(change: ChangeRequest) -> dict[int, str]:
    rows = Assignment.objects.filter(change=change, duty=Assignment.Duty.WRITE, ended_at=None)
    return dict(rows.values_list("user_id", "reason"))


def _questions(change: ChangeRequest) -> bool:
    """Whether a question waits that somebody else than the owner asked."""
    rows = change.threads.filter(kind=Thread.Kind.QUESTION, state=Thread.State.OPEN)
    return rows.exclude(created_by=change.owner_id or change.requester_id).exists()


def _reviewers(change: ChangeRequest, verdict: PolicyVerdict) -> Iterator[AskedReviewer]:
    """Those who are asked, and those who approved without being asked and lost it."""
    standings = {row.person: row for row in verdict.standings}
    objections = _objections(change)
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    reasons: dict[int, tuple[str, str]] = {
        pk: (name, f"{reason[:1].upper()}{reason[1:]}")
        for pk, name, reason in asked.order_by("pk").values_list("user_id", "user__username", "reason")
    }
    for standing in standings.values():
        reasons.setdefault(standing.person, (standing.username, "You approved it before"))
    wanted = {name for need in verdict.requirements if need.action == "approves" for name in need.who_can_act}
    for user, (name, reason) in reasons.items():
        yield _reviewer(change, user, reason, name in wanted, standings.get(user), objections.get(user))


def _reviewer(
    change: ChangeRequest,
    user: int,
    reason: str,
    is_useful: bool,
    before: ReviewStanding | None,
    objection: Review | None,
) -> AskedReviewer:
    present = change.revision
    lost = before is not None and not before.counts and before.code not in OWN_DOING
    # Answered until the content differs: a target that moved elsewhere gives a new revision with the same subject.
    has_answered = objection is not None and present is not None and objection.subject == present.subject
    if objection is not None and present is not None and not has_answered:
        reason = f"{present.label} is new since you asked for changes of {objection.revision.label}"
    return AskedReviewer(
        user=user,
        reason=reason,
        is_useful=is_useful,
        has_answered=has_answered,
        counts=before is not None and before.counts,
        lost=before.text if lost and before else "",
        lost_revision=before.revision if lost and before else 0,
    )


def _objections(change: ChangeRequest) -> dict[int, Review]:
    """By person their latest verdict, where it asks for changes and was not withdrawn."""
    latest: dict[int, Review] = {}
    rows = change.reviews.filter(stage=Review.Stage.MERGE).exclude(verdict=Review.Verdict.COMMENT)
    for row in rows.select_related("revision"):
        latest[row.reviewer_id] = row
    asking = (row for row in latest.values() if row.verdict == Review.Verdict.REQUEST_CHANGES)
    return {row.reviewer_id: row for row in asking if row.withdrawn_at is None}
