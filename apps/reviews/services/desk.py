"""How a person arranges their queue and what their inbox tells them. Their own, so only they may."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.errors import InvalidInput
from apps.reviews.models import Desk, News

MAX_SECTIONS = 30


@transaction.atomic
def arrange_desk(actor: User, *, view: str | None = None, order: Sequence[str] | None = None) -> Desk:
    """Choose another role's home (empty: the own role's), or put the sections in another order. ``None`` keeps.

    Which views and sections there are is the page's affair; an order holds keys, each once.
    """
    if order is not None and (len(order) > MAX_SECTIONS or len(set(order)) != len(order)):
        raise InvalidInput("bad_order", "An order names each section once.", field="order")
    desk, _ = Desk.objects.select_for_update(no_key=True).get_or_create(user=actor)
    if view is not None:
        desk.view = view[:20]
    if order is not None:
        desk.order = [key[:20] for key in order]
    desk.save()
    _record(actor, f"{actor.username} arranged their queue", {"view": desk.view, "order": desk.order})
    return desk


@transaction.atomic
def choose_news(actor: User, *, muted: Collection[str]) -> Desk:
    """Leave out kinds of news from the inbox from now on."""
    unknown = set(muted) - set(News.Kind.values)
    if unknown:
        raise InvalidInput("bad_kind", f"There is no kind of news called {min(unknown)[:40]}.", field="muted")
    desk, _ = Desk.objects.select_for_update(no_key=True).get_or_create(user=actor)
    desk.muted = sorted(muted)
    desk.save()
    _record(actor, f"{actor.username} chose what their inbox tells", {"muted": desk.muted})
    return desk


def _record(actor: User, summary: str, data: dict[str, object]) -> None:
    audit.record(Actor.of(actor), "user.preferences_changed", target=actor.username, summary=summary, data=data)
