"""What people are told: rows of the inbox, written in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.reviews.models import Desk, News
from apps.reviews.signals import attention_changed

TOGETHER = timedelta(minutes=5)
"""What happens on one change within this time is one row."""
LINES = 20
"""Lines of one row; what happens after them begins another."""
KEPT = timedelta(days=90)
"""How long a row is kept after its last line, read or not."""


def tell(
    change: ChangeRequest, people: Iterable[int], *, kind: str, text: str, place: str = "", by: int | None = None
) -> None:
    """Write one line into the inbox of each of ``people`` (account ids), except of ``by`` who did it.

    ``place`` is where on the change it happened: "", ``thread:7``, ``deployment:8831``, ``revision:3``,
    ``approvals``, or ``drift:infra/staging``. Inside the caller's transaction; whether they may still see the change is asked on reading.
    """
    wanted = {pk for pk in people if pk and pk != by}
    wanted -= {row.user_id for row in Desk.objects.filter(user__in=wanted) if kind in row.muted}
    if not wanted:
        return
    line = {"kind": str(kind), "text": text[:500], "place": place, "at": now().isoformat()}
    for user_id in sorted(wanted):
        _add(change, user_id, line)
    transaction.on_commit(lambda: attention_changed.send(sender=News, user_ids=sorted(wanted)))


def _add(change: ChangeRequest, user_id: int, line: dict[str, str]) -> None:
    recent = News.objects.select_for_update(no_key=True).filter(
        change=change, user=user_id, read_at=None, first_at__gte=now() - TOGETHER
    )
    row = recent.order_by("pk").last()
    if row is None or len(row.lines) >= LINES:
        kinds = f",{line['kind']},"
        News.objects.create(
            change=change, user_id=user_id, kinds=kinds, lines=[line], first_at=now(), last_at=now(), read_at=None
        )
        return
    if any((old["kind"], old["text"]) == (line["kind"], line["text"]) for old in row.lines):
        return
    row.lines = [*row.lines, line]
    row.kinds = f",{','.join(dict.fromkeys(one['kind'] for one in row.lines))},"
    row.last_at = now()
    row.save(update_fields=["lines", "kinds", "last_at"])
