"""One environment: what is live, what comes and why it waits, what was, when deployments may start, how it is defined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.paging import LastSeen
from apps.deployments import queries
from apps.deployments.access import can_bring_back, can_keep_secrets, can_lock, can_unlock
from apps.deployments.models import Deployment, Environment, EnvironmentLock, EnvironmentSecret, StatusPage
from apps.deployments.queries.board import Place, places_of
from apps.deployments.queries.drift import drift_of
from apps.deployments.queries.status_pages import status_page_of
from apps.deployments.queries.waits import waits_for_its_turn
from apps.policies import calendar
from apps.policies.config import DEPLOY, FREEZE, EnvironmentConfig, WindowConfig
from apps.policies.queries import Policy
from apps.presentation.board import Cell, cell_of, environment_url, side_of
from apps.presentation.environment_history import HistoryPage, history_of
from apps.presentation.environment_resources import EnvironmentResources, environment_resources
from apps.presentation.freezes import freeze_of
from apps.presentation.moments import seconds_until
from apps.presentation.read_policies import is_unread, policies_of
from apps.reviews.holds import windows_for


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows that hold deployments here. ``state``: ``open``, ``frozen``, ``waiting`` or ``unknown`` (the policy cannot be read); ``next_slot``: the first moment at which
    none of them holds (``None``: none is known; while it is open, now). ``lasts``: for how many seconds this stays so. ``url``: of this
    part of the page."""

    url: str
    windows: tuple[WindowConfig, ...] = ()
    state: str = "open"
    next_slot: datetime | None = None
    zone: str = "UTC"
    lasts: int | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentPage:
    """``secrets`` and ``status_page`` only for maintainers."""

    cell: Cell
    history: HistoryPage
    resources: EnvironmentResources
    policy: Policy | None
    config: EnvironmentConfig | None
    windows: Windows
    others: tuple[Environment, ...]
    keeps_secrets: bool
    secrets: tuple[EnvironmentSecret, ...]
    status_page: StatusPage | None
    lock: EnvironmentLock | None
    can_lock: bool
    can_unlock: bool
    can_start: bool
    holds_lock: bool

    @property
    def place(self) -> Place:
        return self.cell.place

    @property
    def environment(self) -> Environment:
        return self.cell.environment

    @property
    def queue(self) -> tuple[tuple[Deployment, int | None], ...]:
        """What is pending, the oldest first, each with its position; ``None``: it waits for something else than its turn."""
        turns = count(1)
        return tuple((row, next(turns) if waits_for_its_turn(row) else None) for row in self.place.pending)

    @property
    def side(self) -> str:
        return side_of(self.environment)


def environment_page(user: User, repository: str, name: str, *, after: LastSeen | None = None) -> EnvironmentPage:
    """The page; :class:`NotVisible` when ``user`` may not know of it. One that is no longer defined keeps its history."""
    row = queries.find_environment(user, repository, name)
    policy = policies_of([row.repository]).get(row.repository_id)
    place = places_of([row.pk])[row.pk]
    keeps = can_keep_secrets(user, row).allowed
    secrets = row.secrets.select_related("updated_by").order_by("name", "used_for") if keeps else ()
    lock = place.lock
    others = Environment.objects.filter(repository=row.repository_id, defined=True).exclude(pk=row.pk)
    return EnvironmentPage(
        cell=cell_of(place, freeze_of(policy, row.name), drift=drift_of([row])[row.pk]),
        history=history_of(user, place.environment, after=after),
        resources=environment_resources(place.environment),
        policy=policy,
        config=policy.config.environment(row.name) if policy else None,
        windows=_windows(policy, row),
        others=tuple(others.select_related("repository").order_by("position", "name")),
        keeps_secrets=keeps,
        secrets=tuple(secrets),
        status_page=status_page_of(row) if keeps else None,
        lock=lock,
        can_lock=can_lock(user, row).allowed,
        can_unlock=lock is not None and can_unlock(user, lock).allowed,
        can_start=row.defined
        and can_bring_back(user, row).allowed,  # deployers; to authors the page of each offers theirs
        holds_lock=lock is not None and lock.holder_id == user.pk,
    )


def windows_page(user: User, repository: str, name: str) -> Windows:
    """When deployments may start; :class:`NotVisible` when ``user`` may not know of the environment."""
    row = queries.find_environment(user, repository, name)
    return _windows(policies_of([row.repository]).get(row.repository_id), row)


def _windows(policy: Policy | None, row: Environment) -> Windows:
    url = f"{environment_url(row)}_windows/"
    if policy is None or is_unread(policy):
        return Windows(url, state="unknown")
    windows = windows_for(policy.config.windows, row.name, DEPLOY)
    if not windows:
        return Windows(url)
    moment = now()
    holds = calendar.holds_at(windows, moment)
    state = "open" if not holds else "frozen" if holds[0].kind == FREEZE else "waiting"
    lasts = seconds_until(calendar.next_edge(windows, moment))
    return Windows(url, windows, state, calendar.next_slot(windows, moment), windows[0].timezone, lasts)
