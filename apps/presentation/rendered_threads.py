"""What is said about rendered resources and planned attributes: the threads that there are, and the places for new ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput
from apps.presentation.plain import visible
from apps.presentation.rendered_rows import ResourceRow
from apps.reviews.anchors import DOT, Scope, canonical
from apps.reviews.models import Thread

MOST_PLACES = 300


@dataclass(frozen=True, slots=True)
class EffectThread:
    """A thread on a resource or on an attribute of a plan."""

    number: int
    state: str
    kind: str
    place: str


def effect_threads(change: ChangeRequest) -> tuple[EffectThread, ...]:
    """All threads of the change whose place is in its effect, open ones first; one query."""
    rows = Thread.objects.filter(change=change, scope__in=(Scope.RESOURCE, Scope.PLAN)).order_by("number")
    found = [EffectThread(row.number, str(row.state), str(row.kind), visible(row.locator)) for row in rows]
    return tuple(sorted(found, key=lambda thread: thread.state != Thread.State.OPEN))


def places_of(rows: Iterable[ResourceRow], *, is_plan: bool) -> tuple[str, ...]:
    """What a new thread can be about: each resource in its first target, and of plans each attribute that changes."""
    scope = Scope.PLAN if is_plan else Scope.RESOURCE
    found: dict[str, None] = {}
    for row in rows:
        for text in _texts(row, is_plan=is_plan):
            try:
                found[canonical(scope, text)] = None
            except InvalidInput:
                continue  # a name that no locator can hold: the file that makes it can still be talked about
            if len(found) >= MOST_PLACES:
                return tuple(found)
    return tuple(found)


def _texts(row: ResourceRow, *, is_plan: bool) -> Iterable[str]:
    target = row.targets[0]
    if not is_plan:
        return (f"{target}{DOT}{row.kind}/{row.namespace}/{row.name}",)
    return [f"{target}{DOT}{row.name}.{field.path}" for field in row.fields]
