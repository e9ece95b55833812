"""What runs where: repositories by row, environments by column, in promotion order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.outside import open_counts
from apps.core.paging import Page, keyset_page
from apps.deployments import queries
from apps.deployments.access import can_keep_secrets
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment, EnvironmentSecret
from apps.deployments.queries import EnvironmentRow
from apps.policies.config import EnvironmentConfig
from apps.policies.queries import Policy, policy_at
from apps.repositories.queries import tip
from apps.vcs.errors import ObjectMissing

HISTORY_SHOWN = 20
NOT_THERE = [str(status) for status in Status if status is not Status.SUCCEEDED]


@dataclass(frozen=True, slots=True)
class Place:
    """One cell. ``state`` is a key of the words; ``behind``: changes due here that are newer than what is live."""

    environment: Environment
    state: str
    detail: str
    state_url: str
    live: Deployment | None
    active: Deployment | None
    waiting: int
    behind: int

    @property
    def url(self) -> str:
        return f"/environments/{self.environment.repository.name}/{self.environment.name}/"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One repository; ``cells`` follow the board's columns, ``None`` where it has no such environment.

    ``outside``: how many pushes past the portal are neither adopted nor reverted.
    """

    repository: str
    outside: int
    cells: tuple[Place | None, ...]


@dataclass(frozen=True, slots=True)
class Board:
    columns: tuple[str, ...]
    rows: tuple[BoardRow, ...]


def board_page(user: User) -> Board:
    """Everything that ``user`` may see; constant number of queries."""
    found = queries.board(user)
    behind = _behind([row.environment for row in found])
    places = [_place(row, behind.get(row.environment.pk, set())) for row in found]
    columns = _columns(found)
    by_repository: dict[str, dict[str, Place]] = {}
    for place in places:
        by_repository.setdefault(place.environment.repository.name, {})[place.environment.name] = place
    counts = open_counts({row.environment.repository for row in found})
    outside = {row.environment.repository.name: counts.get(row.environment.repository_id, 0) for row in found}
    rows = (
        BoardRow(name, outside[name], tuple(cells.get(column) for column in columns))
        for name, cells in by_repository.items()
    )
    return Board(columns, tuple(rows))


def _columns(rows: Iterable[EnvironmentRow]) -> tuple[str, ...]:
    """All names, in the order of the latest position that any repository gives them."""
    last: dict[str, int] = {}
    for row in rows:
        last[row.environment.name] = max(last.get(row.environment.name, 0), row.environment.position)
    return tuple(sorted(last, key=lambda name: (last[name], name)))


def _behind(environments: list[Environment]) -> dict[int, set[int]]:
    """For each environment the changes that were due there after what is live, and are not there; one query."""
    live = {row.pk: row.live_deployment.number if row.live_deployment else 0 for row in environments}
    rows = Deployment.objects.filter(environment__in=environments, change__status="merged", status__in=NOT_THERE)
    found: dict[int, set[int]] = {}
    for environment, number, change in rows.values_list("environment", "number", "change"):
        if number > live[environment]:
            found.setdefault(environment, set()).add(change)
    return found


def _place(row: EnvironmentRow, behind: set[int]) -> Place:
    state, detail, about = _state(row)
    return Place(
        environment=row.environment,
        state=state,
        detail=detail,
        state_url=f"/deployments/{about.number}/" if about else "",
        live=row.live,
        active=row.active,
        waiting=len(row.pending),
        behind=len(behind),
    )


def _state(row: EnvironmentRow) -> tuple[str, str, Deployment | None]:
    """The word for the environment, what follows it, and the deployment it speaks of."""
    if row.active is not None:
        state = "unknown" if row.active.status == Status.UNKNOWN else "deploying"
        return state, row.active.label, row.active
    if row.last is not None and row.last.status == Status.FAILED and row.last != row.live:
        return "deploy_failed", row.last.label, row.last
    if row.live is None:
        return "never_deployed", "", None
    return "deployed", "", row.live


@dataclass(frozen=True, slots=True)
class EnvironmentPage:
    """One environment: what is live, what comes, what was, how it is defined. ``secrets`` only for maintainers."""

    place: Place
    pending: tuple[Deployment, ...]
    history: Page[Deployment]
    policy: Policy | None
    config: EnvironmentConfig | None
    keeps_secrets: bool
    secrets: tuple[EnvironmentSecret, ...]

    @property
    def environment(self) -> Environment:
        return self.place.environment


def environment_page(user: User, repository: str, name: str, *, after: int | None = None) -> EnvironmentPage:
    """The page; :class:`NotVisible` when ``user`` may not know of it."""
    row = queries.find_environment(user, repository, name)
    on_board = next((one for one in queries.board(user) if one.environment.pk == row.pk), None)
    if on_board is None:  # no longer in portal.yaml: kept for its history
        on_board = EnvironmentRow(row, row.live_deployment, None, (), None)
    ended = row.deployments.exclude(ended_at=None).select_related("change", "requested_by")
    policy = policy_of(row)
    keeps = can_keep_secrets(user, row).allowed
    secrets = row.secrets.select_related("updated_by").order_by("name", "used_for") if keeps else ()
    return EnvironmentPage(
        place=_place(on_board, _behind([on_board.environment]).get(row.pk, set())),
        pending=on_board.pending,
        history=keyset_page(ended, key="number", after=after, limit=HISTORY_SHOWN),
        policy=policy,
        config=policy.config.environment(row.name) if policy else None,
        keeps_secrets=keeps,
        secrets=tuple(secrets),
    )


def policy_of(row: Environment) -> Policy | None:
    """The policy at the tip of the default branch; ``None`` while the mirror lacks the tip."""
    commit = tip(row.repository, row.repository.default_branch)
    try:
        return policy_at(row.repository, row.repository.default_branch, commit) if commit else None
    except ObjectMissing:
        return None
