"""Spreading open reviews: which requests of busy people could be given to others. The plan is pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps.accounts import queries as accounts
from apps.accounts.models import User
from apps.changes.lifecycle import Status
from apps.core.clock import now
from apps.repositories.models import Repository
from apps.reviews.knowing import LARGE, busyness_of
from apps.reviews.models import Assignment, Choice
from apps.reviews.started import not_begun

MOST = 20
"""Moves of one run: a maintainer looks at each before it is done."""
LOOKED_AT = 500
"""Open requests that are looked at, oldest first."""
ABLE = frozenset({"not_needed", "less_suited", "asked_lately"})


@dataclass(frozen=True, slots=True)
class Request:
    """An open, not begun request that could be moved: to ``others``, by username."""

    number: int
    title: str
    name: str
    weight: int
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """CHG-``number`` from one person to another, and why in words."""

    number: int
    title: str
    name: str
    to: str
    why: str

    @property
    def key(self) -> str:
        """What a form sends back: ``1042:bob:kim``."""
        return f"{self.number}:{self.name}:{self.to}"


def plan_moves(requests: Sequence[Request], loads: Mapping[str, int]) -> tuple[Move, ...]:
    """At most :data:`MOST` moves, each from the busiest to the least busy who can; nobody ends above whom they relieve.

    A request moves once, so it ends. Equal input gives the equal plan.
    """
    load = defaultdict(int, loads)
    left = list(requests)
    moves: list[Move] = []
    while len(moves) < MOST:
        best: tuple[int, int, str, Request] | None = None
        for row in left:
            for other in row.others:
                gain = load[row.name] - load[other] - 2 * row.weight
                if gain >= 0 and (best is None or (-gain, -row.number, other) < best[:3]):
                    best = (-gain, -row.number, other, row)
        if best is None:
            break
        _, _, to, row = best
        moves.append(Move(row.number, row.title, row.name, to, f"{_reviews(load[row.name])}, @{to} has {load[to]}"))
        load[row.name] -= row.weight
        load[to] += row.weight
        left.remove(row)
    return tuple(moves)


def rebalancing_plan(repository: Repository) -> tuple[Move, ...]:
    """What moving would do in ``repository`` now; a constant number of queries."""
    requests = _requests(repository)
    names = {row.name for row in requests} | {other for row in requests for other in row.others}
    ids = dict(User.objects.filter(username__in=names, is_active=True).values_list("username", "pk"))
    busy = busyness_of(set(ids.values()), now())
    return plan_moves(requests, {name: busy[pk].load for name, pk in ids.items()})


def _requests(repository: Repository) -> list[Request]:
    rows = Assignment.objects.filter(
        change__repository=repository, change__status=Status.IN_REVIEW, duty=Assignment.Duty.REVIEW, ended_at=None
    )
    portal = rows.filter(origin__in=[Assignment.Origin.CODEOWNERS, Assignment.Origin.RULE])
    loose = not_begun(portal).select_related("user", "change__revision").order_by("pk")[:LOOKED_AT]
    records = dict(Choice.objects.filter(change__in=[row.change_id for row in loose]).values_list("change", "record"))
    away = {row.user.username for row in accounts.absences_at(now()).values()}
    found = []
    for row in loose:
        revision = row.change.revision
        lines = revision.lines_added + revision.lines_removed if revision else 0
        others = _others(records.get(row.change_id) or {}, row.user.username) - away
        if others:
            weight = 2 if lines > LARGE else 1
            found.append(Request(row.change.number, row.change.title, row.user.username, weight, tuple(sorted(others))))
    return found


def _others(record: Mapping[str, object], name: str) -> set[str]:
    """Who could be asked instead of ``name`` for everything that ``name`` is asked for."""
    needs = record.get("needs", [])
    sets = [
        {person["name"] for person in need["not_asked"] if person["code"] in ABLE}
        for need in (needs if isinstance(needs, list) else [])
        if any(person["name"] == name for person in need["asked"])
    ]
    return set.intersection(*sets) if sets else set()


def _reviews(count: int) -> str:
    return f"{count} open review{'' if count == 1 else 's'}"
