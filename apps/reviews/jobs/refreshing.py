"""Looking at a change anew: experts, attention and the verdict that lists show."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.accounts.models import Absence
from apps.changes.lifecycle import OPEN, Status
from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.policies.evaluation import MET, NOT_NEEDED, PolicyVerdict
from apps.reviews.asking import keep_reviewers_right
from apps.reviews.attention import BY_DEPLOYMENTS, OpenCall, Turn, TurnFacts, decide, is_over
from apps.reviews.effects import known_effects, risk_of
from apps.reviews.jobs.openings import set_openings
from apps.reviews.models import Assignment, Call, VerdictSnapshot
from apps.reviews.queries import facts_and_verdict, policy_of
from apps.reviews.signals import verdict_changed
from apps.reviews.started import not_begun
from apps.reviews.transitions import set_attention
from apps.reviews.turns import turn_facts

PUSHED = frozenset({Revision.Cause.PUSHED, Revision.Cause.FORCE_PUSHED, Revision.Cause.RECREATED})
LOOK_AGAIN = timedelta(minutes=1)
"""How often a change is looked at again for which somebody is missing: roles, teams and absences change elsewhere."""


def due(limit: int) -> Iterable[int]:
    """Open changes whose listed verdict is missing or older than what happened to them."""
    old = Q(verdict_snapshot=None) | Q(verdict_snapshot__stale=True)
    old |= ~Q(verdict_snapshot__change_version=F("version"))
    short = Q(choice__short=True, choice__made_at__lt=now() - LOOK_AGAIN)
    old |= Q(status=Status.IN_REVIEW) & (short | Q(pk__in=_asking_somebody_away()))
    return ChangeRequest.objects.filter(old).order_by("updated_at").values_list("pk", flat=True)[:limit]


def _asking_somebody_away() -> QuerySet[Assignment, Any]:
    """Changes with an open request to somebody who is away now and has not begun."""
    away = Absence.objects.at(now()).values("user")
    asked = Assignment.objects.filter(duty=Assignment.Duty.REVIEW, ended_at=None, user__in=away)
    return not_begun(asked).values("change")


def refresh(change_id: int) -> None:
    """Look at one change anew: ask experts, set the attention, store the verdict for lists. Idempotent."""
    with transaction.atomic():
        change = (
            ChangeRequest.objects.select_for_update(of=("self",), no_key=True)
            .select_related("repository", "requester")
            .filter(pk=change_id)
            .first()
        )
        if change is None:
            return
        verdict = None
        if change.status in OPEN and change.status != Status.REQUESTED:
            facts, verdict = facts_and_verdict(change)
            if change.status == Status.IN_REVIEW:
                keep_reviewers_right(change, facts, verdict)
        set_openings(change, verdict if change.status == Status.IN_REVIEW else None)
        _store(change, verdict)
        set_attention(change, _turns(change, verdict))
        transaction.on_commit(lambda: verdict_changed.send(sender=ChangeRequest, change_id=change_id))


def _store(change: ChangeRequest, verdict: PolicyVerdict | None) -> None:
    rows = [row for row in verdict.requirements if row.state != NOT_NEEDED] if verdict else []
    VerdictSnapshot.objects.update_or_create(
        change=change,
        defaults={
            "change_version": change.version,
            "stale": False,
            "allowed": verdict.allowed if verdict else False,
            "met": sum(row.state == MET for row in rows),
            "total": len(rows),
            "summary": verdict.summary[:500] if verdict else "",
            "environments": _environments(change),
            "risk": risk_of(known_effects(policy_of(change), change.revision)) if verdict else "",
            "computed_at": now(),
        },
    )


def _environments(change: ChangeRequest) -> list[str]:
    """What the change reaches when it is merged, by the policy on its target branch."""
    if change.rollback_environments:
        return [str(name) for name in change.rollback_environments]
    if change.revision is None:
        return []
    facts = policy_of(change).environment_facts(change.revision.paths)
    return [fact.name for fact in facts if fact.affected]


def _turns(change: ChangeRequest, verdict: PolicyVerdict | None) -> dict[int, Turn]:
    """Whose turn it is now; calls that have lost their sense end."""
    calls = list(Call.objects.filter(change=change, ended_at=None).order_by("pk"))
    facts = turn_facts(change, verdict, calls)
    over = {call.pk for call, fact in zip(calls, facts.calls, strict=True) if _has_ended(change, call, fact, facts)}
    if over:
        Call.objects.filter(pk__in=over).update(ended_at=now())
        facts = turn_facts(change, verdict, [call for call in calls if call.pk not in over])
    return decide(facts)


def _has_ended(change: ChangeRequest, call: Call, fact: OpenCall, facts: TurnFacts) -> bool:
    """By the state, or because the owner answered with a new revision."""
    present = change.revision
    has_pushed = present is not None and present.cause in PUSHED and present.created_at > call.created_at
    if call.user_id == facts.owner and call.origin not in BY_DEPLOYMENTS and has_pushed:
        return True
    return is_over(fact, facts)
