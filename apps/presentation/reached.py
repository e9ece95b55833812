"""The environments that a change reaches when it is merged."""

from __future__ import annotations

from apps.changes.models import ChangeRequest
from apps.deployments.plans import deploys_from
from apps.policies.config import EnvironmentConfig, PortalConfig, affected_environments


def reached_environments(change: ChangeRequest, config: PortalConfig) -> tuple[EnvironmentConfig, ...]:
    """In promotion order; none without code, or where its target branch is not deployed."""
    if change.revision is None or not deploys_from(change.target_branch, change.repository):
        return ()
    if change.kind == ChangeRequest.Kind.ROLLBACK and change.rollback_environments:
        names = set(change.rollback_environments)
    else:
        names = set(affected_environments(config, change.revision.paths))
    return tuple(row for row in config.environments if row.name in names)
