"""What the board reads: which rows stand on a page, and what is known of their environments.

A row is one target of ``portal.yaml`` (a service), or a whole repository that names none. Rows are found by repository, so a page
reads the environments of at most :data:`ROWS` + 1 repositories, and makes the same number of queries whatever there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

from apps.accounts.models import User
from apps.core.clock import now
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment, Environment, EnvironmentLock
from apps.deployments.queries.locks import holding_locks
from apps.deployments.querysets import HOLDING
from apps.repositories.models import Repository

ROWS = 25
WORDS = re.compile(r"[\w./-]{1,100}")
NOT_THERE = [str(status) for status in Status if status is not Status.SUCCEEDED]
STATES = ("deploying", "waiting", "failed", "unknown", "never_deployed", "locked", "frozen")
"""Values of the filter ``state``. What is frozen stands in the policies, so the caller says which repositories to look at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the board asks for; empty: everything. ``after``: (repository, service) of the last row seen.

    ``drift``: only what has drifted; the caller says which that is.

    ``environment`` is a name, or a beginning with ``*`` behind it.
    """

    q: str = ""
    repository: str = ""
    environment: str = ""
    state: str = ""
    behind: bool = False
    drift: bool = False
    after: tuple[str, str] = ("", "")


class Spot(NamedTuple):
    """Of an environment what puts it on the board: a page looks at hundreds of them to show some."""

    pk: int
    repository_id: int
    name: str
    position: int
    targets: list[str]


@dataclass(frozen=True, slots=True)
class BoardRow:
    """``service`` is empty for a repository whose policy names no target."""

    repository: Repository
    service: str
    spots: tuple[Spot, ...]

    @property
    def key(self) -> tuple[str, str]:
        return (self.repository.name, self.service)


@dataclass(frozen=True, slots=True)
class BoardRows:
    """One page; ``more``: whether rows follow."""

    rows: tuple[BoardRow, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What the ledger knows of one environment: what is live, what holds the lock, what waits, what ended last, and whose lock holds now.

    ``behind``: how many changes were due here and are not in what is live. ``was_healthy``: the checks after the run
    of what is live held as long as ``portal.yaml`` asks, and nothing has run there since; nobody has looked since either.
    """

    environment: Environment
    live: Deployment | None
    active: Deployment | None
    pending: tuple[Deployment, ...]
    last: Deployment | None
    behind: int
    was_healthy: bool
    lock: EnvironmentLock | None


def environments_of(user: User) -> QuerySet[Environment]:
    """Every environment that ``user`` may see and that a policy defines now."""
    return Environment.objects.filter(repository__in=Repository.objects.visible_to(user), defined=True)


def board_rows(user: User, asked: Asked, *, among: Iterable[int] | None = None) -> BoardRows:
    """The rows behind ``asked.after``, by repository and service; three queries at most.

    ``among``: keys of the only environments whose rows are wanted (for what the database cannot tell).
    """
    rows = _narrowed(environments_of(user), asked)
    matching = _matching(rows, asked, among)
    named = Repository.objects.filter(pk__in=matching.values("repository"), name__gte=asked.after[0])
    chosen = list(named.order_by("name")[: ROWS + 2])
    spots: dict[int, list[Spot]] = {}
    for values in rows.filter(repository__in=chosen).order_by("position", "name").values_list(*Spot._fields):
        spot = Spot(*values)
        spots.setdefault(spot.repository_id, []).append(spot)
    keys = None if matching is rows else set(matching.filter(repository__in=chosen).values_list("pk", flat=True))
    every = (row for one in chosen for row in _services(one, spots.get(one.pk, []), asked, keys))
    found = list(islice((row for row in every if _follows(row, asked.after)), ROWS + 1))
    return BoardRows(tuple(found[:ROWS]), more=len(found) > ROWS)


def _follows(row: BoardRow, after: tuple[str, str]) -> bool:
    """The database has put the repositories in order, by rules of its own; here only the services of one are compared."""
    return row.repository.name != after[0] or row.service > after[1]


def _narrowed(rows: QuerySet[Environment], asked: Asked) -> QuerySet[Environment]:
    if asked.repository:
        rows = rows.filter(repository__name=asked.repository)
    if asked.environment.endswith("*"):
        rows = rows.filter(name__startswith=asked.environment[:-1])
    elif asked.environment:
        rows = rows.filter(name=asked.environment)
    return rows


def _matching(rows: QuerySet[Environment], asked: Asked, among: Iterable[int] | None) -> QuerySet[Environment]:
    """Environments for whose sake a row is shown; ``rows`` itself where nothing narrows."""
    found = rows
    if among is not None:
        found = found.filter(pk__in=list(among))
    if asked.q:
        found = _named(found, asked.q)
    if asked.state in _CONDITIONS:
        if asked.state == "failed":
            found = found.annotate(last_status=Subquery(_ended().values("status")[:1]))
        found = found.filter(_CONDITIONS[asked.state])
    if asked.state == "locked":
        found = found.filter(Exists(holding_locks().filter(environment=OuterRef("pk"))))
    if asked.behind:
        found = found.filter(Exists(_missing().filter(environment=OuterRef("pk"))))
    return found


def _named(rows: QuerySet[Environment], q: str) -> QuerySet[Environment]:
    """Whose repository or one of whose targets has ``q`` in its name. Names hold no quotes, so the JSON can be searched as text."""
    if not WORDS.fullmatch(q):
        return rows.none()
    texts = rows.annotate(names=Cast("targets", TextField()))
    return texts.filter(Q(repository__name__icontains=q) | Q(names__icontains=q))


def _deployments(*statuses: str) -> Exists:
    return Exists(Deployment.objects.filter(environment=OuterRef("pk"), status__in=statuses))


def _ended() -> QuerySet[Deployment]:
    """What ran last first; without what changes nothing there: cancelled before anything ran, or inside what was live already."""
    rows = Deployment.objects.filter(environment=OuterRef("pk"), ended_at__isnull=False)
    rows = rows.exclude(status=str(Status.SUCCEEDED), became_live=False)
    return rows.exclude(status=str(Status.CANCELLED), attempts=0).order_by("-latest_at", "-number")


_CONDITIONS = {
    "deploying": Q(_deployments("dispatching", "running")),
    "waiting": Q(_deployments("pending")),
    "unknown": Q(_deployments("unknown")),
    "failed": ~Q(_deployments(*HOLDING)) & Q(last_status="failed"),
    "never_deployed": Q(live_deployment=None) & ~Q(_deployments(*HOLDING)),
}


def _missing() -> QuerySet[Deployment]:
    """Deployments of changes that were merged after what is live, and are not there.

    What was merged before is inside what is live, also where it is deployed again: one branch is deployed, commit upon commit.
    """
    rows = Deployment.objects.filter(change__status="merged", status__in=NOT_THERE)
    nothing_live = Q(environment__live_deployment=None)
    return rows.filter(nothing_live | Q(change__merged_at__gt=F("environment__live_deployment__change__merged_at")))


def _services(repository: Repository, spots: list[Spot], asked: Asked, keys: set[int] | None) -> Iterator[BoardRow]:
    """The rows of one repository, those only that have an environment among ``keys`` (``None``: all)."""
    by_service: dict[str, list[Spot]] = {}
    for spot in spots:
        for name in dict.fromkeys(spot.targets) or ("",):
            by_service.setdefault(name, []).append(spot)
    for service, mine in sorted(by_service.items()):
        if keys is not None and not any(row.pk in keys for row in mine):
            continue
        if asked.q and asked.q.lower() not in repository.name.lower() and asked.q.lower() not in service.lower():
            continue
        yield BoardRow(repository, service, tuple(mine))


def places_of(keys: Collection[int]) -> dict[int, Place]:
    """What is known of these environments, by key; five queries at most."""
    found = {
        row.pk: row
        for row in Environment.objects.filter(pk__in=keys)
        .annotate(held=FilteredRelation("locks", condition=Q(locks__ended_at=None, locks__until__gt=now())))
        .select_related("repository", "live_deployment", "live_deployment__change", "live_deployment__requested_by")
        .select_related("held__holder")  # type: ignore[misc]  # the stubs do not know filtered relations
    }
    under_way: dict[int, list[Deployment]] = {}
    rows = Deployment.objects.filter(environment__in=keys, status__in=[str(Status.PENDING), *HOLDING])
    for deployment in rows.select_related("change", "requested_by").order_by("number"):
        under_way.setdefault(deployment.environment_id, []).append(deployment)
    last = _last_ended(keys)
    behind = _behind(keys)
    healthy = _were_healthy([row.live_deployment for row in found.values() if row.live_deployment])
    return {
        pk: Place(
            environment=row,
            live=row.live_deployment,
            active=next((one for one in under_way.get(pk, ()) if one.status in HOLDING), None),
            pending=tuple(one for one in under_way.get(pk, ()) if one.status == Status.PENDING),
            last=last.get(pk),
            behind=behind.get(pk, 0),
            was_healthy=row.live_deployment_id in healthy
            and (pk not in last or last[pk].pk == row.live_deployment_id)
            and not any(one.attempts for one in under_way.get(pk, ())),
            lock=getattr(row, "held", None),
        )
        for pk, row in found.items()
    }


def _last_ended(keys: Collection[int]) -> dict[int, Deployment]:
    newest = Environment.objects.filter(pk__in=keys).annotate(last=Subquery(_ended().values("pk")[:1]))
    rows = Deployment.objects.filter(pk__in=newest.values("last")).select_related("change")
    return {row.environment_id: row for row in rows}


def _were_healthy(live: Iterable[Deployment]) -> set[int]:
    """Those whose checks held to the end of their time; not those of which a person decided what nobody had looked at."""
    watched = {row.pk: row.plan["health"]["for_seconds"] for row in live if row.plan.get("health")}
    if not watched:
        return set()
    attempts = Attempt.objects.filter(deployment__in=watched, outcome=str(Status.SUCCEEDED))
    return {key for key, health in attempts.values_list("deployment", "health") if _has_held(health, watched[key])}


def _has_held(health: dict[str, Any], seconds: int) -> bool:
    """As ``jobs.health`` decides: everything was good for so long, and each check was asked once more at the end."""
    if not health.get("good_since"):
        return False
    end = datetime.fromisoformat(health["good_since"]) + timedelta(seconds=seconds)
    return all(datetime.fromisoformat(check["at"]) >= end for check in health["checks"].values())


def _behind(keys: Collection[int]) -> dict[int, int]:
    pairs = _missing().filter(environment__in=keys).order_by().values_list("environment", "change").distinct()
    found: dict[int, int] = {}
    for environment, _ in pairs:
        found[environment] = found.get(environment, 0) + 1
    return found
