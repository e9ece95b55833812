"""Whose turn it is (UX §2.3), as a function of the change and its verdict."""

from __future__ import annotations

from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import PolicyVerdict
from apps.repositories.roles import MAINTAIN
from apps.reviews.models import Assignment, Review, Thread
from apps.reviews.people import people_of


def wanted_attention(change: ChangeRequest, verdict: PolicyVerdict | None) -> dict[int, str]:
    """User id → why it is their turn; empty when nobody has to do anything. Service accounts never."""
    if change.status == Status.REQUESTED:
        return _backlog(change)
    if change.status == Status.IN_REVIEW and verdict is not None:
        return _author_turn(change, verdict) | _reviewer_turn(change, verdict)
    return {}


def _backlog(change: ChangeRequest) -> dict[int, str]:
    writers = Assignment.objects.filter(change=change, duty=Assignment.Duty.WRITE, ended_at=None, user__is_active=True)
    asked = {row.user_id: f"You are asked to write it: {row.reason}" for row in writers}
    if asked:
        return asked
    people = people_of(change.repository)
    return {
        user_id: "Nobody is asked to write it yet: triage it"
        for user_id in people.able.get(MAINTAIN, ())
        if people.by_id[user_id].is_human
    }


def _reviewer_turn(change: ChangeRequest, verdict: PolicyVerdict) -> dict[int, str]:
    standing = {row.person: row for row in verdict.standings}
    # Answered until the content differs: a target that moved elsewhere gives a new revision with the same subject.
    subject = change.revision.subject if change.revision else ""
    answered = set(
        change.reviews.filter(verdict=Review.Verdict.REQUEST_CHANGES, subject=subject).values_list(
            "reviewer_id", flat=True
        )
    )
    turns: dict[int, str] = {}
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None, user__is_active=True)
    for row in asked.select_related("user"):
        name = row.user.username
        useful = any(name in need.who_can_act and need.action == "approves" for need in verdict.requirements)
        before = standing.get(row.user_id)
        if not useful or row.user_id in answered or (before is not None and before.counts):
            continue
        lost = before is not None and not before.counts
        turns[row.user_id] = (
            f"Your approval no longer counts: {before.text}" if lost and before else f"Your turn: {row.reason}"
        )
    return turns


def _author_turn(change: ChangeRequest, verdict: PolicyVerdict) -> dict[int, str]:
    owner = change.owner or change.requester
    if not owner.is_active:
        return {}
    if verdict.allowed:
        return {owner.pk: "Ready to merge"}
    unmet = {row.code for row in verdict.requirements if not row.is_satisfied}
    for code, reason in (
        ("conflicts", "It conflicts with the target branch"),
        ("revision", "It needs a new revision"),
        ("change_requests", "A reviewer asks for changes"),
        ("threads", "A blocking thread is open"),
    ):
        if code in unmet:
            return {owner.pk: reason}
    questions = change.threads.filter(kind=Thread.Kind.QUESTION, state=Thread.State.OPEN).exclude(created_by=owner)
    return {owner.pk: "A question waits for an answer"} if questions.exists() else {}
