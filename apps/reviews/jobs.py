"""Background work of the reviews context: experts, attention and the verdict that lists show."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, F, Q

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.changes.lifecycle import OPEN, Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.work import Job
from apps.policies.evaluation import MET, NOT_NEEDED, PolicyVerdict, Requirement
from apps.reviews.attention import wanted_attention
from apps.reviews.choosing import Need, choose
from apps.reviews.models import Assignment, VerdictSnapshot
from apps.reviews.queries import verdict_of
from apps.reviews.signals import verdict_changed
from apps.reviews.transitions import REFRESH, set_attention

LATELY = timedelta(days=30)


def due(limit: int) -> Iterable[int]:
    """Open changes whose listed verdict is missing or older than what happened to them."""
    old = Q(verdict_snapshot=None) | Q(verdict_snapshot__stale=True)
    old |= ~Q(verdict_snapshot__change_version=F("version"))
    return ChangeRequest.objects.filter(old).order_by("updated_at").values_list("pk", flat=True)[:limit]


def refresh(change_id: int) -> None:
    """Look at one change anew: ask experts, set the attention, store the verdict for lists. Idempotent."""
    with transaction.atomic():
        change = (
            ChangeRequest.objects.select_for_update(of=("self",))
            .select_related("repository", "revision", "requester", "owner")
            .filter(pk=change_id)
            .first()
        )
        if change is None:
            return
        verdict = verdict_of(change) if change.status in OPEN and change.status != Status.REQUESTED else None
        if change.status == Status.IN_REVIEW and verdict is not None:
            _ask_experts(change, verdict)
        set_attention(change, wanted_attention(change, verdict))
        _store(change, verdict)
        transaction.on_commit(lambda: verdict_changed.send(sender=ChangeRequest, change_id=change_id))


def _ask_experts(change: ChangeRequest, verdict: PolicyVerdict) -> None:
    """Ask the smallest set of people that can give the missing approvals, and record why each was chosen."""
    needs = [
        Need(frozenset(row.who_can_act), row.needed - row.have, _why(row))
        for row in verdict.requirements
        if row.action == "approves" and not row.is_satisfied and row.who_can_act
    ]
    asked = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    present = frozenset(asked.values_list("user__username", flat=True))
    candidates = {name for need in needs for name in need.candidates}
    chosen = choose(needs, asked=present, load=_load(candidates))
    if not chosen:
        return
    users = {user.username: user for user in User.objects.filter(username__in=chosen)}
    for name, reason in chosen.items():
        origin = Assignment.Origin.CODEOWNERS if "CODEOWNERS" in reason else Assignment.Origin.RULE
        Assignment.objects.create(
            change=change,
            user=users[name],
            duty=Assignment.Duty.REVIEW,
            origin=origin,
            reason=reason[:500],
            created_at=now(),
        )
    audit.record(
        SYSTEM,
        "change.assigned",
        repository=change.repository.name,
        change=change.number,
        target=", ".join(chosen),
        summary=f"{', '.join(chosen)} asked to review {change.label}",
        data={"duty": "review", "chosen": chosen},
    )


def _why(row: Requirement) -> str:
    """What a person reads after "Your turn": which rule names them, and where it stands."""
    place = f" ({row.rule.place})" if row.rule is not None and row.rule.place else ""
    if row.code != "code_owners":
        return f"the rule “{row.name}” asks for you{place}"
    return f"you are one of the {row.name}{place}"


def _load(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Per person: open reviews now, and how often they were asked of late."""
    rows = Assignment.objects.filter(
        user__username__in=names, duty=Assignment.Duty.REVIEW, created_at__gte=now() - LATELY
    )
    still_open = Count("pk", filter=Q(ended_at=None, change__status=Status.IN_REVIEW))
    counted = rows.values_list("user__username").annotate(open=still_open, recent=Count("pk"))
    return {name: (still, recent) for name, still, recent in counted}


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
            "computed_at": now(),
        },
    )


JOBS = [Job(REFRESH, due, refresh, every=3.0)]
