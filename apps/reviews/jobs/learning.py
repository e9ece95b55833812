"""Learning who knows what: from the history of the default branch, and from what landed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef, Q, Subquery

from apps.changes.models import ChangeRequest
from apps.core.work import request_work
from apps.repositories.models import BranchTip, Repository
from apps.reviews.learning import learn_landed, read_history
from apps.reviews.models import HistoryReading, LearntChange

LEARN_HISTORY = "reviews.learn_history"


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
