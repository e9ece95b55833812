"""My queue: what waits for me, what I wait for, what my group may take. A constant number of queries, whatever there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When

from apps.accounts.models import User
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.paging import first_rows
from apps.repositories.models import Repository
from apps.reviews.attention import CALLABLE
from apps.reviews.models import Assignment, Attention, Desk, Opening, Review

SECTION_LIMIT = 25
RELATED = ("repository", "requester", "owner", "revision", "verdict_snapshot")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One change in a queue: why it is there and since when.

    ``turn`` is one's own turn, where it is; ``is_claim``: one claimed it and may give it back.
    """

    change: ChangeRequest
    reason: str
    since: datetime
    turn: Attention | None = None
    is_claim: bool = False


@dataclass(frozen=True, slots=True)
class QueueSection:
    """``rows`` holds at most as many as were asked for; ``more`` says that there are others."""

    key: str
    rows: tuple[QueueRow, ...]
    more: bool


Rows = Callable[[User, int, int], list[QueueRow]]


def section(user: User, key: str, *, start: int = 0, limit: int = SECTION_LIMIT) -> QueueSection:
    """Rows ``start`` to ``start + limit`` of one section; :class:`KeyError` for a key that is not in ``SECTIONS``."""
    rows = SECTIONS[key](user, start, limit + 1)
    return QueueSection(key, tuple(rows[:limit]), len(rows) > limit)


def attention_count(user: User) -> int:
    """How many changes wait for ``user`` and are not snoozed: the number beside "Queue"."""
    return awake_turns(user).count()


def awake_turns(user: User) -> QuerySet[Attention]:
    return turns_of(user).exclude(_asleep())


def turns_of(user: User) -> QuerySet[Attention]:
    """Changes that wait for ``user``: found from the person, who waits in few, not from the changes."""
    states = [str(status) for status in CALLABLE]
    mine = Attention.objects.filter(user=user, change__status__in=states)
    return mine.filter(change__repository__in=Repository.objects.visible_to(user))


def desk_of(user: User) -> Desk:
    """How ``user`` arranged their queue; the default if they never did (not saved)."""
    return Desk.objects.filter(user=user).first() or Desk(user=user)


def _asleep() -> Q:
    same = Q(snoozed_revision=F("change__revision__number"))
    same |= Q(snoozed_revision=0, change__revision__isnull=True)
    return Q(snoozed_until__isnull=False, snoozed_until__gt=now()) | Q(snoozed_revision__isnull=False) & same


def _turns(rows: QuerySet[Attention], *order: str, start: int, limit: int) -> list[QueueRow]:
    """Found among keys alone; only the rows that are shown are read with what belongs to them."""
    keys = list(rows.order_by(*order, "pk").values_list("pk", flat=True)[start : start + limit])
    related = [f"change__{name}" for name in RELATED]
    found = {row.pk: row for row in Attention.objects.filter(pk__in=keys).select_related(*related)}
    turns = [found[pk] for pk in keys if pk in found]
    claimed = _claimed(turns)
    return [QueueRow(row.change, row.reason, row.since, row, row.change_id in claimed) for row in turns]


def _claimed(turns: list[Attention]) -> set[int]:
    if not turns:
        return set()
    rows = Assignment.objects.filter(user=turns[0].user_id, origin=Assignment.Origin.CLAIM, ended_at=None)
    return set(rows.filter(change__in=[row.change_id for row in turns]).values_list("change_id", flat=True))


def _attention(user: User, start: int, limit: int) -> list[QueueRow]:
    """Going back first, then what has come back from a snooze, then what has waited longest."""
    back = When(change__kind=ChangeRequest.Kind.ROLLBACK, then=Value(0))
    woke = Q(snooze_ended_at__isnull=False) | Q(snoozed_until__isnull=False) | Q(snoozed_revision__isnull=False)
    place = Case(back, When(woke, then=Value(1)), default=Value(2), output_field=IntegerField())
    rows = awake_turns(user).annotate(place=place)
    return _turns(rows, "place", "since", start=start, limit=limit)


def _snoozed(user: User, start: int, limit: int) -> list[QueueRow]:
    """The next to come back first; those that wait for a revision last."""
    rows = turns_of(user).filter(_asleep()).order_by(F("snoozed_until").asc(nulls_last=True))
    return _turns(rows, F("snoozed_until").asc(nulls_last=True), "since", start=start, limit=limit)  # type: ignore[arg-type]


def _unclaimed(user: User, start: int, limit: int) -> list[QueueRow]:
    """What somebody of a group that ``user`` is in may claim."""
    rows = Opening.objects.filter(user=user, change__status=Status.IN_REVIEW)
    rows = rows.filter(change__repository__in=Repository.objects.visible_to(user)).order_by("since", "pk")
    found: dict[int, QueueRow] = {}
    for row in rows.select_related(*(f"change__{name}" for name in RELATED))[start : start + limit]:
        found.setdefault(row.change_id, QueueRow(row.change, row.reason, row.since))
    return list(found.values())


def _visible(user: User) -> QuerySet[ChangeRequest]:
    return ChangeRequest.objects.visible_to(user).select_related(*RELATED)


def _in_review(user: User) -> QuerySet[ChangeRequest]:
    return _visible(user).filter(status=Status.IN_REVIEW)


def _changes(rows: QuerySet[ChangeRequest], *order: str, start: int, limit: int) -> list[QueueRow]:
    found = first_rows(rows, *order, limit=start + limit)[start:]
    return [QueueRow(row, _line(row), row.updated_at) for row in found]


def _ready(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _in_review(user).filter(verdict_snapshot__allowed=True)
    return _changes(rows, "updated_at", "pk", start=start, limit=limit)


def _ready_mine(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _in_review(user).filter(verdict_snapshot__allowed=True, owner=user)
    return _changes(rows, "updated_at", "pk", start=start, limit=limit)


def _waiting(user: User, start: int, limit: int) -> list[QueueRow]:
    """Written, asked for or reviewed by ``user``, where it is somebody else's turn."""
    own = Q(owner=user) | Q(requester=user) | Q(Exists(_reviewed_by(user)))
    return _changes(_others_turn(_in_review(user).filter(own), user), "updated_at", "pk", start=start, limit=limit)


def _reviewed(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _in_review(user).filter(Exists(_reviewed_by(user)))
    return _changes(_others_turn(rows, user), "updated_at", "pk", start=start, limit=limit)


def _reviewed_by(user: User) -> QuerySet[Review]:
    return Review.objects.filter(change=OuterRef("pk"), reviewer=user)


def _others_turn(rows: QuerySet[ChangeRequest], user: User) -> QuerySet[ChangeRequest]:
    mine = Attention.objects.filter(change=OuterRef("pk"), user=user)
    return rows.filter(~Exists(mine)).exclude(verdict_snapshot__allowed=True)


def _deploying(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _visible(user).filter(status__in=[Status.MERGING, Status.MERGED])
    return _changes(rows, "-updated_at", "-pk", start=start, limit=limit)


def _drafts(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _visible(user).filter(owner=user, status=Status.DRAFT)
    return _changes(rows, "-updated_at", "-pk", start=start, limit=limit)


def _backlog(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _visible(user).filter(status=Status.REQUESTED)
    return _changes(rows, "updated_at", "pk", start=start, limit=limit)


def _done(user: User, start: int, limit: int) -> list[QueueRow]:
    rows = _visible(user).filter(owner=user, status=Status.DONE)
    return _changes(rows, "-updated_at", "-pk", start=start, limit=limit)


def _reviewed_done(user: User, start: int, limit: int) -> list[QueueRow]:
    """What ``user`` wrote or reviewed and is done; the newest by number, which an index has in order."""
    own = Q(owner=user) | Q(Exists(_reviewed_by(user)))
    return _changes(_visible(user).filter(own, status=Status.DONE), "-updated_at", "-pk", start=start, limit=limit)


def _line(change: ChangeRequest) -> str:
    snapshot = getattr(change, "verdict_snapshot", None)
    if change.status == Status.IN_REVIEW and snapshot is not None and snapshot.summary:
        return str(snapshot.summary)
    return f"asked for by {change.requester.username}"


SECTIONS: dict[str, Rows] = {
    "attention": _attention,
    "snoozed": _snoozed,
    "unclaimed": _unclaimed,
    "ready": _ready,
    "ready_mine": _ready_mine,
    "waiting": _waiting,
    "reviewed": _reviewed,
    "deploying": _deploying,
    "drafts": _drafts,
    "backlog": _backlog,
    "done": _done,
    "reviewed_done": _reviewed_done,
}
"""Every section by its key. Which ones a person sees, and in which order, is up to the page."""
