"""What strangers read of one environment: its name, its state, what is live, what was. No links, no logs, no names of windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.core.clock import now
from apps.deployments.models import Deployment, StatusPage
from apps.deployments.queries.board import places_of
from apps.deployments.queries.drift import drift_of
from apps.presentation.board import cell_of
from apps.presentation.freezes import freeze_of
from apps.presentation.plain import visible
from apps.presentation.read_policies import policies_of
from apps.presentation.words import word_of

SHOWN = 10


@dataclass(frozen=True, slots=True)
class PublicDeployment:
    """``change`` and ``person`` are empty unless the maintainer chose to show them. ``state`` is a key of the words."""

    state: str
    commit: str
    change: str
    person: str
    at: datetime | None
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class PublicStatus:
    """``frozen_until``: in words; empty: no freeze holds. ``as_of``: the minute of which all of this is.

    ``since`` and ``seen_at``: of a state that a look has told, since when, and when that look was.
    """

    name: str
    state: str
    since: datetime | None
    seen_at: datetime | None
    live: PublicDeployment | None
    last: tuple[PublicDeployment, ...]
    frozen_until: str
    as_of: datetime

    @property
    def state_word(self) -> str:
        """What is said of the state where there is no icon: also that a freeze holds."""
        word = word_of(self.state).text
        return f"{word}, {word_of('frozen').text.lower()}" if self.frozen_until else word


def public_status(page: StatusPage) -> PublicStatus:
    """Everything of the page, and nothing else leaves through it."""
    environment = page.environment
    repository = environment.repository
    policy = policies_of([repository]).get(repository.pk)
    cell = cell_of(
        places_of([environment.pk])[environment.pk],
        freeze_of(policy, environment.name),
        drift=drift_of([environment])[environment.pk],
    )
    live = cell.place.live
    ended = Deployment.objects.filter(environment=environment, ended_at__isnull=False)
    rows = ended.select_related("change", "requested_by").order_by("-latest_at", "-number")[:SHOWN]
    return PublicStatus(
        name=environment.name,
        state=_state(cell.health, is_live=live is not None),
        since=cell.health_since if cell.seen else None,
        seen_at=cell.seen.at if cell.seen else None,
        live=_public(page, live, cell.environment.live_since) if live else None,
        last=tuple(_public(page, row, row.ended_at) for row in rows),
        frozen_until=cell.frozen_until,
        as_of=now().replace(second=0, microsecond=0),
    )


def _state(health: str, *, is_live: bool) -> str:
    if health not in {"not_checked", "was_healthy"}:
        return health
    return "live" if is_live else "never_deployed"


def _public(page: StatusPage, row: Deployment, at: datetime | None) -> PublicDeployment:
    change = f"{row.change.label} {visible(row.change.title)}" if page.shows_titles else ""
    person = row.requested_by.shown_name if page.shows_people else ""
    is_live = row.pk == page.environment.live_deployment_id
    return PublicDeployment(row.status, row.commit[:10], change, person, at, is_live)
