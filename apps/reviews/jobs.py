"""Background work of the reviews context: experts, attention and the verdict that lists show."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from apps.accounts.models import Absence
from apps.changes.lifecycle import OPEN, Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.work import Job, request_work
from apps.policies.evaluation import MET, NOT_NEEDED, PolicyVerdict
from apps.repositories.models import BranchTip, Repository
from apps.reviews.asking import keep_reviewers_right
from apps.reviews.attention import wanted_attention
from apps.reviews.learning import learn_landed, read_history
from apps.reviews.models import Assignment, HistoryReading, LearntChange, VerdictSnapshot
from apps.reviews.queries import facts_and_verdict
from apps.reviews.signals import verdict_changed
from apps.reviews.started import not_begun
from apps.reviews.transitions import REFRESH, set_attention

LEARN_HISTORY = "reviews.learn_history"
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
            ChangeRequest.objects.select_for_update(of=("self",))
            .select_related("repository", "revision", "requester", "owner")
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
        set_attention(change, wanted_attention(change, verdict))
        _store(change, verdict)
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
            "computed_at": now(),
        },
    )


def histories_due(limit: int) -> Iterable[int]:
    """Repositories whose default branch has commits that are not in the sums."""
    tips = BranchTip.objects.filter(repository=OuterRef("pk"), name=OuterRef("default_branch"))
    read = HistoryReading.objects.filter(repository=OuterRef("pk"))
    rows = Repository.objects.annotate(
        tip=Subquery(tips.values("oid")[:1]), read=Subquery(read.values("read_oid")[:1])
    ).exclude(tip=None)
    return rows.filter(Q(read=None) | ~Q(read=F("tip"))).order_by("pk").values_list("pk", flat=True)[:limit]


def learn_history(repository_id: int) -> None:
    """Read one piece of a history, and ask for the next one; bounded in time and memory."""
    repository = Repository.objects.filter(pk=repository_id).first()
    if repository is not None and read_history(repository):
        request_work(LEARN_HISTORY, repository_id)


def landed_due(limit: int) -> Iterable[int]:
    """Changes that landed and are not in the sums."""
    seen = LearntChange.objects.filter(change=OuterRef("pk"))
    landed = ChangeRequest.objects.filter(merged_at__isnull=False).exclude(Exists(seen))
    return landed.order_by("merged_at").values_list("pk", flat=True)[:limit]


def learn_from_landed(change_id: int) -> None:
    change = ChangeRequest.objects.select_related("repository", "revision").filter(pk=change_id).first()
    if change is not None:
        learn_landed(change)


JOBS = [
    Job(REFRESH, due, refresh, every=3.0),
    Job(LEARN_HISTORY, histories_due, learn_history, every=30.0, slow=True),
    Job("reviews.learn_from_landed", landed_due, learn_from_landed, every=15.0),
]
