"""The list of deployments: filters by address; what was asked for or began last comes first."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.core.paging import LastSeen, moment_page
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.querysets import DeploymentQuerySet
from apps.presentation.change_list import Chip, Select, select_of
from apps.presentation.words import word_of
from apps.repositories.queries import visible

PAGE_SIZE = 30
ACTIVE = "active"
STATES: dict[str, tuple[str, ...]] = {ACTIVE: ("pending", "dispatching", "running", "unknown")}
STATES |= {status.value: (status.value,) for status in Status}
"""Values of the filter ``state`` and the stored states behind them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for; an empty value does not narrow."""

    state: str = ""
    repository: str = ""
    environment: str = ""
    change: str = ""
    after: LastSeen | None = None

    def url(self, **other: object) -> str:
        pairs = {"state": self.state, "repository": self.repository, "environment": self.environment,
                 "change": self.change, **other}  # fmt: skip
        kept = {name: value for name, value in pairs.items() if value}
        return f"/deployments/?{urlencode(kept)}" if kept else "/deployments/"

    @property
    def number(self) -> int | None:
        """The change as a number; ``0`` (which no change has) when it cannot be read as one."""
        text = self.change.strip().upper().removeprefix("CHG-")
        if not text:
            return None
        return int(text) if text.isdecimal() and len(text) < 10 else 0


@dataclass(frozen=True, slots=True)
class DeploymentList:
    rows: tuple[Deployment, ...]
    change: str
    selects: tuple[Select, ...]
    chips: tuple[Chip, ...]
    next_url: str
    first_url: str


def deployment_list(user: User, wanted: Wanted) -> DeploymentList:
    """One page; constant number of queries."""
    rows = Deployment.objects.visible_to(user).select_related(
        "change", "environment", "environment__repository", "requested_by"
    )
    found = moment_page(_narrowed(rows, wanted), moment="latest_at", after=wanted.after, limit=PAGE_SIZE)
    return DeploymentList(
        rows=tuple(found.items),
        change=wanted.change,
        selects=_selects(user, wanted),
        chips=_chips(wanted),
        next_url=wanted.url(after=found.next_after) if found.next_after else "",
        first_url=wanted.url() if wanted.after else "",
    )


def _narrowed(rows: DeploymentQuerySet, wanted: Wanted) -> DeploymentQuerySet:
    if wanted.state in STATES:
        rows = rows.filter(status__in=STATES[wanted.state])
    if wanted.repository:
        rows = rows.filter(environment__repository__name=wanted.repository)
    if wanted.environment:
        rows = rows.filter(environment__name=wanted.environment)
    if wanted.number is not None:
        rows = rows.filter(change__number=wanted.number)
    return rows


def _selects(user: User, wanted: Wanted) -> tuple[Select, ...]:
    states = [(ACTIVE, "Under way"), *((status.value, word_of(status.value).text) for status in Status)]
    repositories = list(visible(user).values_list("name", flat=True))
    environments = Environment.objects.filter(repository__in=visible(user)).order_by("name")
    names = list(environments.values_list("name", flat=True).distinct())
    return (
        select_of("state", "State", "Any state", states, wanted.state),
        select_of("repository", "Repository", "All", [(name, name) for name in repositories], wanted.repository),
        select_of("environment", "Environment", "All", [(name, name) for name in names], wanted.environment),
    )


def _chips(wanted: Wanted) -> tuple[Chip, ...]:
    values = (("state", wanted.state), ("repository", wanted.repository), ("environment", wanted.environment),
              ("change", wanted.change))  # fmt: skip
    return tuple(
        Chip(f"{name}: {value.replace('_', ' ')}", wanted.url(**{name: ""})) for name, value in values if value
    )
