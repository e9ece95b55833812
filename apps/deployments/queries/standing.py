"""What waits in an environment beside what is live there: whether it is in it already. Reads only."""

from __future__ import annotations

from apps.changes.models import OutsideChange
from apps.deployments.models import Deployment, Environment
from apps.vcs import history


def live_successor(deployment: Deployment) -> Deployment | None:
    """What runs there already and contains this commit: deploying the older one would undo the newer."""
    live = deployment.environment.live_deployment
    return live if live is not None and is_superseded(deployment.environment, deployment.commit) else None


def goes_back(deployment: Deployment) -> bool:
    """Whether it deploys an adopted push that took commits away: what is live contains it, and is not wanted any more."""
    return OutsideChange.objects.filter(change=deployment.change, kind="forced", outcome="adopted").exists()


def is_superseded(environment: Environment, commit: str) -> bool:
    """Whether something newer that contains ``commit`` is live. Going back takes a roll-back, which has its own gate."""
    live = environment.live_commit
    if not live or live == commit:
        return False
    return history.is_ancestor(environment.repository.mirror_path, commit, live)
