"""What time does to the attention set and the inbox: snoozes end, quiet changes return, old news goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.accounts.models import User
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.repositories.roles import MAINTAIN
from apps.reviews.attention import Origin
from apps.reviews.models import Attention, News, VerdictSnapshot
from apps.reviews.people import people_of
from apps.reviews.signals import attention_changed
from apps.reviews.transitions import KEPT, call_for

QUIET_AFTER = timedelta(hours=24)
WAITS = [str(Status.REQUESTED), str(Status.IN_REVIEW)]


def over_snoozes(limit: int) -> Iterable[int]:
    """Turns whose snooze has ended and that have not been told so."""
    return _over().values_list("pk", flat=True)[:limit]


def _over() -> QuerySet[Attention]:
    moved = Q(snoozed_revision__isnull=False) & ~Q(snoozed_revision=F("change__revision__number"))
    moved &= Q(change__revision__isnull=False)
    return Attention.objects.filter(Q(snoozed_until__lte=now()) | moved).order_by("pk")


def wake(turn_id: int) -> None:
    """End one snooze; the change comes back at the top of the queue. Idempotent."""
    with transaction.atomic():
        row = _over().select_for_update(of=("self",), no_key=True).filter(pk=turn_id).first()
        if row is None:
            return
        row.snoozed_until, row.snoozed_revision, row.snooze_ended_at = None, None, now()
        row.save(update_fields=["snoozed_until", "snoozed_revision", "snooze_ended_at"])
        user_id = row.user_id
        transaction.on_commit(lambda: attention_changed.send(sender=Attention, user_ids=[user_id]))


def quiet_changes(limit: int) -> Iterable[int]:
    """Changes that wait, and for a day have waited for nobody."""
    return _quiet().values_list("change", flat=True)[:limit]


def _quiet() -> QuerySet[VerdictSnapshot]:
    rows = VerdictSnapshot.objects.filter(nobody_since__lte=now() - QUIET_AFTER, change__status__in=WAITS)
    return rows.order_by("nobody_since")


def call_author(change_id: int) -> None:
    """It is the author's turn again; without one who is still here, the maintainers'. Idempotent."""
    with transaction.atomic():
        change = (
            ChangeRequest.objects.select_for_update(of=("self",), no_key=True)
            .select_related("repository")
            .filter(pk=change_id)
            .first()
        )
        if change is None or not _quiet().filter(change=change).exists():
            return
        # If there is nobody to call, it is asked again after another day.
        VerdictSnapshot.objects.filter(change=change).update(nobody_since=now())
        for user in _responsible(change):
            reason = "It has been nobody's turn for 24 h: ask somebody, or say what it waits for"
            call_for(change, user, origin=Origin.QUIET, reason=reason)


def _responsible(change: ChangeRequest) -> list[User]:
    people = people_of(change.repository)
    able = {pk: user for pk, user in people.by_id.items() if user.is_active and user.is_human}
    for pk in (change.owner_id, change.requester_id):
        if pk in able:
            return [able[pk]]
    return [able[pk] for pk in sorted(people.able.get(MAINTAIN, ())) if pk in able]


def old_news(limit: int) -> Iterable[int]:
    """Rows of inboxes that nobody needs any more (see :data:`apps.reviews.transitions.news.KEPT`)."""
    return News.objects.filter(last_at__lt=now() - KEPT).order_by("last_at").values_list("pk", flat=True)[:limit]


def forget(row: int) -> None:
    """Delete one old row of an inbox. Idempotent."""
    News.objects.filter(pk=row, last_at__lt=now() - KEPT).delete()
