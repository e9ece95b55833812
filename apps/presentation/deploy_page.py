"""Where a merged change can be deployed now, and the page before that. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment, Environment
from apps.deployments.plans import deploys_from
from apps.deployments.queries.deploying import UNDER_WAY, Wanted
from apps.deployments.queries.gates import config_then
from apps.policies.config import PortalConfig
from apps.presentation.coming_page import ComingPage, coming_page
from apps.presentation.reached import reached_environments
from apps.vcs.errors import ObjectMissing


@dataclass(frozen=True, slots=True)
class DeployPlace:
    """``is_reached``: the change touches it; ``busy``: what of the change waits or runs there, so that no other is asked for."""

    environment: Environment
    is_reached: bool
    busy: Deployment | None

    @property
    def query(self) -> str:
        return urlencode({"environment": self.environment.name})


@dataclass(frozen=True, slots=True)
class DeployPage:
    """``is_reached``: the change touches the environment; otherwise it goes there only because it was asked for."""

    change: ChangeRequest
    environment: Environment
    is_reached: bool
    coming: ComingPage


def deploy_places(change: ChangeRequest, newest: Iterable[Deployment]) -> tuple[DeployPlace, ...]:
    """Every environment that the commit of this merged change has, in promotion order; ``newest``: its newest deployment in each."""
    config = _deployed_by(change)
    if config is None:
        return ()
    busy = {row.environment_id: row for row in newest if row.status in UNDER_WAY}
    reached = _reached(change, config)
    rows = Environment.objects.filter(repository=change.repository, defined=True)
    rows = rows.filter(name__in=[found.name for found in config.environments]).order_by("position", "name")
    return tuple(DeployPlace(row, row.name in reached, busy.get(row.pk)) for row in rows)


def deploy_page(wanted: Wanted) -> DeployPage:
    """What asking for it would bring."""
    reached = _reached(wanted.change, config_then(wanted.change))
    name = wanted.environment.name
    return DeployPage(wanted.change, wanted.environment, name in reached, coming_page(wanted.unsaved))


def _deployed_by(change: ChangeRequest) -> PortalConfig | None:
    """What portal.yaml said when it was merged; nothing where it is not deployed, or the mirror has lost the commit."""
    if change.status not in {"merged", "done"} or not deploys_from(change.target_branch, change.repository):
        return None
    try:
        return config_then(change)
    except ObjectMissing:
        return None


def _reached(change: ChangeRequest, config: PortalConfig) -> frozenset[str]:
    return frozenset(row.name for row in reached_environments(change, config))
