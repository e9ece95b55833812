"""What the people of a choice know of the touched place, and how busy they are; a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef

from apps.accounts import queries as accounts
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.reviews.expertise import RECENT, chain, compared, folder_of, knowledge, worth
from apps.reviews.models import Assignment, Attention, Expertise, FolderHistory

LATELY = timedelta(days=90)
LARGE = 400
"""Changed lines from which on an open review weighs two: beyond them a review takes a second sitting."""
PLACES = 12
"""Folders that are looked at: those with the most touched paths."""
ENOUGH = 3
"""Changes that landed in the touched folders, below which those of the folders above are told too."""


@dataclass(frozen=True, slots=True)
class Known:
    """``knows`` as in :mod:`apps.reviews.expertise`; ``reviewed`` of the last ``landed`` changes here; ``files`` changed here."""

    knows: int = 0
    reviewed: int = 0
    landed: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Busy:
    """``open`` reviews wait for the person; they weigh ``load``. ``asked_at``: seconds, 0.0 not of late."""

    open: int = 0
    load: int = 0
    asked_at: float = 0.0


def knowledge_of(change: ChangeRequest, user_ids: Collection[int], at: datetime) -> dict[int, Known]:
    """What each of these people knows of the folders that ``change`` touches; three queries."""
    places = places_of(change.revision.paths if change.revision else [])
    whose = {f"user:{pk}": pk for pk in user_ids}
    for pk, addresses in accounts.addresses_of(user_ids).items():
        whose |= {f"mail:{address}": pk for address in addresses}
    levels = {folder for place in places for folder in chain(place)}
    rows = Expertise.objects.filter(repository=change.repository, who__in=whose, folder__in=levels)
    weights: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    files: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for who, folder, source, weight, count in rows.values_list("who", "folder", "source", "weight", "files"):
        weights[whose[who]][folder][source] += weight
        if folder in places and source != Expertise.Source.REVIEWED:
            files[whose[who]][source] += count
    known = {pk: knowledge(_merged(weights[pk], at), places) for pk in user_ids}
    steps = compared({str(pk): value for pk, value in known.items()})
    recent = _recent(change, places)
    return {
        pk: Known(
            knows=steps[str(pk)],
            reviewed=sum(pk in reviewers for reviewers in recent.values()),
            landed=len(recent),
            files=max(files[pk].values(), default=0),
        )
        for pk in user_ids
    }


def places_of(paths: Iterable[str]) -> list[str]:
    """The folders with the most touched paths, at most :data:`PLACES`."""
    counted: dict[str, int] = defaultdict(int)
    for path in paths:
        counted[folder_of(path)] += 1
    return sorted(counted, key=lambda folder: (-counted[folder], folder))[:PLACES]


def _merged(weights: Mapping[str, Mapping[str, float]], at: datetime) -> dict[str, float]:
    """Worth by folder. A landed change is in the history as well, so of the two the larger one counts."""
    reviewed = Expertise.Source.REVIEWED
    return {
        folder: worth(
            max((value for source, value in by_source.items() if source != reviewed), default=0.0)
            + by_source.get(reviewed, 0.0),
            at,
        )
        for folder, by_source in weights.items()
    }


def _recent(change: ChangeRequest, places: Collection[str]) -> dict[int, list[int]]:
    """The last changes that landed in the touched folders, and who reviewed each; fewer than a few: above too."""
    levels = {folder for place in places for folder in chain(place)}
    rows = FolderHistory.objects.filter(repository=change.repository, folder__in=levels)
    by_folder = dict(rows.values_list("folder", "recent"))
    found: dict[int, list[int]] = {}
    depth = 0
    while len(found) < ENOUGH and depth <= max((len(chain(place)) for place in places), default=0):
        for place in places:
            above = chain(place)[depth : depth + 1]
            found |= {number: reviewers for folder in above for number, reviewers in by_folder.get(folder, [])}
        depth += 1
    return {number: found[number] for number in sorted(found)[-RECENT:]}


def busyness_of(user_ids: Collection[int], at: datetime, *, besides: ChangeRequest | None = None) -> dict[int, Busy]:
    """Open reviews where it is the person's turn, and when each was last asked; ``besides`` one change. Three queries.

    Without the change itself, so that a choice that was made and is explained later is explained by the same facts.
    """
    turn = Attention.objects.filter(change=OuterRef("change"), user=OuterRef("user"))
    others = Assignment.objects.exclude(change=besides) if besides is not None else Assignment.objects.all()
    mine = others.filter(user__in=user_ids, duty=Assignment.Duty.REVIEW)
    waiting = mine.filter(Exists(turn), ended_at=None, change__status=Status.IN_REVIEW)
    loads: dict[int, list[int]] = defaultdict(list)
    lines = ("change__revision__lines_added", "change__revision__lines_removed")
    for pk, added, removed in waiting.values_list("user", *lines):
        loads[pk].append(2 if (added or 0) + (removed or 0) > LARGE else 1)
    asked = dict(mine.filter(created_at__gte=at - LATELY).values_list("user").annotate(last=Max("created_at")))
    through = others.filter(stands_for__in=user_ids, created_at__gte=at - LATELY)
    for pk, last in through.values_list("stands_for").annotate(last=Max("created_at")):
        # Who was asked through a deputy was asked: it is not their turn again when they are back.
        asked[pk] = max(last, asked.get(pk, last))
    return {pk: Busy(len(loads[pk]), sum(loads[pk]), asked[pk].timestamp() if pk in asked else 0.0) for pk in user_ids}
