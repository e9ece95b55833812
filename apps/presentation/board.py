"""What runs where: services by row, environments by column, in promotion order, as the ledger of deployments has it.

Two words stand in each cell. The first says how the environment stands to Git as far as deployments tell: up to date, behind,
never deployed. The second says how it is: deploying, unknown, failed; healthy, degraded or down where something has looked lately; and where nothing
has, "not checked". "Frozen" and "Locked" stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes.outside import open_counts
from apps.core.clock import now
from apps.deployments.dispatchers.standing import DEGRADED, DOWN
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.board import STATES, Asked, Place, Spot, board_rows, environments_of, places_of
from apps.deployments.queries.board import BoardRow as Found
from apps.deployments.queries.drift import Drift, SeenHealth, drift_of, drifted_among
from apps.policies.queries import Policy
from apps.presentation.change_list import Chip, Select, select_of
from apps.presentation.drift_words import DriftWord, drift_word
from apps.presentation.freezes import Freeze, freeze_of
from apps.presentation.moments import seconds_until
from apps.presentation.read_policies import policies_of, unread_among, unread_words
from apps.presentation.words import word_of
from apps.repositories.models import Repository

COLUMNS = 10
"""Environments that stand beside each other; more are one link away."""
MOST_REPOSITORIES = 200
"""Whose policies are read to find what is frozen."""
FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Cell:
    """One environment on the board, for one service. ``sync`` and ``health`` are keys of the words.

    ``drift``: ``None`` where nothing is live, so that there is nothing to compare with. ``seen``: of what ``health`` is, where a look at what runs has told it.
    ``own``: what looks at this service alone have told.
    """

    place: Place
    service: str
    sync: str
    health: str
    health_detail: str
    health_url: str
    health_since: datetime | None
    freeze: Freeze
    drift: DriftWord | None = None
    seen: SeenHealth | None = None
    own: Drift | None = None

    @property
    def environment(self) -> Environment:
        return self.place.environment

    @property
    def url(self) -> str:
        return environment_url(self.environment)

    @property
    def frozen_until(self) -> str:
        """In words; empty unless a freeze holds."""
        return self.freeze.until

    @property
    def drift_url(self) -> str:
        return f"{self.url}drift/"

    @property
    def compare_url(self) -> str:
        return f"/environments/compare/?{urlencode({'from': side_of(self.environment), 'to': 'git'})}"

    @property
    def has_notes(self) -> bool:
        """Whether a line of small facts follows the words."""
        return bool(self.frozen_until or self.place.lock or self.place.pending)

    @property
    def lock_lasts(self) -> int | None:
        """For how many seconds more the lock of a person holds."""
        return seconds_until(self.place.lock.until if self.place.lock is not None else None)

    @property
    def behind_words(self) -> str:
        """What follows the word "Behind"."""
        count = self.place.behind
        return f"by {count} change{'s' if count != 1 else ''}" if count else ""

    @property
    def own_drift(self) -> DriftWord | None:
        """Not what is too old: that is told above, of all of them."""
        return drift_word(self.own) if self.own is not None and not self.own.was else None

    @property
    def own_health(self) -> SeenHealth | None:
        """Only what is believed now."""
        seen = self.own.health if self.own is not None else None
        return seen if seen is not None and seen.is_known else None

    @property
    def facts(self) -> tuple[object, ...]:
        """All that is told of the environment; moments of looks that found the same are left out."""
        live, lock = self.place.live, self.place.lock
        words = (self.sync, self.place.behind, self.health, self.health_detail, self.health_since)
        held = (self.frozen_until, lock and lock.pk, len(self.place.pending))  # a lock that is extended is another one
        return (self.environment.pk, self.environment.live_since, live and live.pk, *words, *held, _said(self.drift))

    @property
    def own_facts(self) -> tuple[object, ...]:
        """What is told of this service where a line above tells the rest."""
        live, health = self.place.live, self.own_health
        return (self.environment.pk, live and live.pk, _said(self.own_drift), health and (health.word, health.since))

    @property
    def stamp(self) -> str:
        """Another one when this says anything else."""
        return _stamp(self.anchor, self.facts)

    @property
    def anchor(self) -> str:
        """No two places share it: no name has a colon."""
        return f"env-{self.environment.name}:{self.environment.repository.name}:{self.service}".rstrip(":")

    @property
    def head_anchor(self) -> str:
        """Of the same above the services that share it."""
        return f"head-{self.environment.name}:{self.environment.repository.name}"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """``cells`` follow the board's columns, ``None`` where the service is not. ``outside``: pushes past the portal not yet settled.

    ``in_group``: it is one of several rows of its repository on the page, so what they share is not told by it but above the first
    of them, whose ``head`` has the environments of all: one deployment brings all services of an environment.
    """

    repository: str
    service: str
    outside: int
    cells: tuple[Cell | None, ...]
    in_group: bool = False
    head: tuple[Cell | None, ...] = ()

    @property
    def anchor(self) -> str:
        return f"board-{self.repository}:{self.service}".rstrip(":")

    @property
    def stamp(self) -> str:
        """No other row has it, and this one has another when it says anything else."""
        if self.in_group:
            return _stamp(self.anchor, *(cell.own_facts if cell else None for cell in self.cells))
        return _stamp(self.anchor, self.outside, *(cell.facts if cell else None for cell in self.cells))

    @property
    def head_stamp(self) -> str:
        """The same of the line above it."""
        return _stamp(self.repository, self.outside, *(cell.facts if cell else None for cell in self.head))


@dataclass(frozen=True, slots=True)
class Board:
    """``left_out``: how many repositories were not looked at for a freeze; ``unread``: of which nobody knows what holds. ``earlier_url`` and ``later_url``: other columns."""

    columns: tuple[str, ...]
    rows: tuple[BoardRow, ...]
    q: str
    selects: tuple[Select, ...]
    chips: tuple[Chip, ...]
    next_url: str
    first_url: str
    earlier_url: str
    later_url: str
    all_columns: int
    left_out: int
    unread: tuple[str, ...]
    as_of: datetime
    url: str

    @property
    def unread_words(self) -> str:
        return unread_words(self.unread)

    @property
    def not_known(self) -> str:
        """Where nobody knows whether a freeze holds, for a board that shows nothing; empty: that is known everywhere."""
        were = "repositories were" if self.left_out > 1 else "repository was"
        left_out = f"{self.left_out} {were} not looked at; narrow it by a repository" if self.left_out else ""
        return ". ".join(filter(None, (left_out, self.unread_words)))

    @property
    def is_filtered(self) -> bool:
        return bool(self.chips)


def _said(drift: DriftWord | None) -> str:
    return drift.key + drift.text if drift else ""


def _stamp(*facts: object) -> str:
    return sha256(repr(facts).encode()).hexdigest()[:16]


def environment_url(row: Environment) -> str:
    return f"/environments/{row.repository.name}/{row.name}/"


def side_of(row: Environment) -> str:
    """How the address of a comparison names an environment."""
    return f"{row.repository.name}/{row.name}"


def board_page(user: User, asked: Asked, *, column: int = 0) -> Board:
    """One page; the number of queries does not depend on how much there is."""
    among, left_out, unread = _frozen(user, asked) if asked.state == FROZEN else (None, 0, set())
    if asked.drift:
        drifted = drifted_among(environments_of(user))
        among = drifted if among is None else sorted(set(drifted) & set(among))
    found = board_rows(user, asked, among=among)
    names = _columns(spot for one in found.rows for spot in one.spots)
    start = min(column, max(len(names) - 1, 0)) // COLUMNS * COLUMNS
    shown = names[start : start + COLUMNS]
    here = _Address(asked, start)
    repositories = {one.repository.pk: one.repository for one in found.rows}.values()
    policies = policies_of(repositories)
    return Board(
        columns=shown,
        rows=_rows(found.rows, shown, policies),
        q=asked.q,
        selects=_selects(user, asked),
        chips=_chips(asked),
        next_url=_url(asked, after="/".join(found.rows[-1].key)) if found.more else "",
        first_url=_url(asked) if asked.after != ("", "") else "",
        earlier_url=here.at(start - COLUMNS) if start else "",
        later_url=here.at(start + COLUMNS) if start + COLUMNS < len(names) else "",
        all_columns=len(names),
        left_out=left_out,
        unread=tuple(sorted(unread | unread_among(repositories, policies))),
        as_of=now(),
        url=here.at(start),
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """Where this page stands, so that other columns of it can be linked."""

    asked: Asked
    column: int

    def at(self, column: int) -> str:
        after = "" if self.asked.after == ("", "") else "/".join(self.asked.after)
        return _url(self.asked, after=after, column=column)


def _rows(found: Sequence[Found], shown: Sequence[str], policies: Mapping[int, Policy]) -> tuple[BoardRow, ...]:
    """With their cells under the columns ``shown``."""
    places = places_of({spot.pk for one in found for spot in one.spots if spot.name in shown})
    drifts = drift_of(place.environment for place in places.values())
    freezes = {pk: freeze_of(policies.get(place.environment.repository_id), place.environment.name)
               for pk, place in places.items()}  # fmt: skip
    outside = open_counts({one.repository for one in found})
    rows: list[BoardRow] = []
    for one in found:
        here = [spot.pk for spot in one.spots if spot.pk in places]
        known = [cell_of(places[pk], freezes[pk], one.service, drift=drifts[pk]) for pk in here]
        cells = {cell.environment.name: cell for cell in known}
        in_order = tuple(cells.get(name) for name in shown)
        rows.append(BoardRow(one.repository.name, one.service, outside.get(one.repository.pk, 0), in_order))
    return _with_heads(rows)


def _with_heads(rows: Sequence[BoardRow]) -> tuple[BoardRow, ...]:
    """Several rows of one repository become a group, whose first row gets what all of them share."""
    found: list[BoardRow] = []
    for _, same in groupby(rows, key=lambda row: row.repository):
        group = list(same)
        if len(group) > 1:
            across = zip(*(row.cells for row in group), strict=True)
            head = tuple(next((cell for cell in column if cell is not None), None) for column in across)
            group = [replace(row, in_group=True, head=head if row is group[0] else ()) for row in group]
        found += group
    return tuple(found)


def _columns(rows: Iterable[Spot]) -> tuple[str, ...]:
    """All names, in the order of the latest position that any repository gives them."""
    last: dict[str, int] = {}
    for row in rows:
        last[row.name] = max(last.get(row.name, 0), row.position)
    return tuple(sorted(last, key=lambda name: (last[name], name)))


def _frozen(user: User, asked: Asked) -> tuple[list[int], int, set[str]]:
    """Keys of the environments that are frozen now, how many repositories were not looked at, and which could not be read."""
    rows = environments_of(user)
    if asked.repository:
        rows = rows.filter(repository__name=asked.repository)
    every = Repository.objects.filter(pk__in=rows.values("repository")).order_by("name")
    repositories = list(every[:MOST_REPOSITORIES])
    policies = policies_of(repositories)
    names = rows.filter(repository__in=[pk for pk, policy in policies.items() if policy.config.windows])
    found = [
        pk
        for pk, repository, name in names.values_list("pk", "repository", "name")
        if freeze_of(policies[repository], name).until
    ]
    left_out = every.count() - len(repositories) if len(repositories) == MOST_REPOSITORIES else 0
    return found, left_out, unread_among(repositories, policies)


def cell_of(place: Place, freeze: Freeze, service: str = "", *, drift: Drift | None = None) -> Cell:
    """The words of one environment, and where each leads."""
    seen = drift.health if drift is not None and drift.health is not None and drift.health.is_known else None
    health, detail, about, since = _health(place, drift.health if drift is not None else None)
    is_seen = seen is not None and health == seen.word
    return Cell(
        place=place,
        service=service,
        sync=_sync(place),
        health=health,
        health_detail=detail,
        health_url=f"/deployments/{about.number}/"
        if about
        else f"{environment_url(place.environment)}drift/"
        if is_seen
        else "",
        health_since=since,
        freeze=freeze,
        drift=drift_word(drift) if drift is not None and place.live is not None else None,
        seen=seen if is_seen else None,
        own=drift.by_target.get(service) if drift is not None and place.live is not None else None,
    )


def _sync(place: Place) -> str:
    if place.behind:
        return "behind"
    return "never_deployed" if place.live is None else "up_to_date"


def _health(place: Place, seen: SeenHealth | None) -> tuple[str, str, Deployment | None, datetime | None]:
    """The word, what follows it, of which deployment it speaks, and since when. Only what was seen lately is healthy."""
    active, last = place.active, place.last
    if active is not None:
        is_unknown = active.status == Status.UNKNOWN
        return "unknown" if is_unknown else "deploying", active.label, active, active.started_at or active.queued_at
    if last is not None and last.status == Status.FAILED and last.pk != (place.live.pk if place.live else None):
        return "deploy_failed", last.label, last, last.ended_at
    if seen is not None and seen.is_known:
        return seen.word, "", None, seen.since
    if place.was_healthy and place.live is not None and (seen is None or seen.word not in {DEGRADED, DOWN}):
        return "was_healthy", "", place.live, None
    return "not_checked", "", None, seen.at if seen is not None and seen.is_old else None


def _selects(user: User, asked: Asked) -> tuple[Select, ...]:
    rows = environments_of(user).order_by()
    repositories = rows.values_list("repository__name", flat=True).distinct()
    names = rows.values_list("name", flat=True).distinct()
    states = [(state, word_of("deploy_failed" if state == "failed" else state).text) for state in STATES]
    return (
        _select("repository", "Repository", "All", [(one, one) for one in sorted(repositories)], asked.repository),
        _select("environment", "Environment", "All", [(one, one) for one in sorted(names)], asked.environment),
        _select("state", "State", "Any state", states, asked.state),
        _select("drift", "Drift", "Either way", [("1", "Only what has drifted")], "1" if asked.drift else ""),
        _select("behind", "Behind Git", "Either way", [("1", "Only what is behind")], "1" if asked.behind else ""),
    )


def _select(name: str, label: str, every: str, options: Sequence[tuple[str, str]], chosen: str) -> Select:
    """What the address asks for is offered also where nothing has it, such as ``prod-*``."""
    own = [] if not chosen or any(value == chosen for value, _ in options) else [(chosen, chosen)]
    return select_of(name, label, every, [*options, *own], chosen)


def _url(asked: Asked, **other: Any) -> str:
    pairs = {"q": asked.q, "repository": asked.repository, "environment": asked.environment, "state": asked.state,
             "behind": "1" if asked.behind else "", "drift": "1" if asked.drift else "", **other}  # fmt: skip
    kept = {name: value for name, value in pairs.items() if value}
    return f"/environments/?{urlencode(kept)}" if kept else "/environments/"


def _chips(asked: Asked) -> tuple[Chip, ...]:
    values = (("q", asked.q, asked.q), ("repository", asked.repository, asked.repository),
              ("environment", asked.environment, asked.environment),
              ("state", asked.state, asked.state.replace("_", " ")), ("behind", asked.behind, "yes"), ("drift", asked.drift, "yes"))  # fmt: skip
    return tuple(Chip(f"{name}: {text}", _url(asked, **{name: ""})) for name, value, text in values if value)
