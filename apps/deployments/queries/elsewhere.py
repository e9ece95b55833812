"""What has landed already and did not go to an environment that still runs what it took out. Reads only.

Bringing an earlier state back to one environment changes the files of all that share them, and is deployed to that one alone.
"""

from __future__ import annotations

from collections.abc import Callable

from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.undoing import contains


def landed_elsewhere(environment: Environment, branch: str, is_wanted: Callable[[str], bool]) -> ChangeRequest | None:
    """The newest change that landed on ``branch``, where ``environment`` runs without it and its commit ``is_wanted``."""
    rows = ChangeRequest.objects.filter(repository=environment.repository_id, target_branch=branch)
    row = rows.exclude(merge_commit="").order_by("-merged_at", "-number").first()
    live = environment.live_commit
    if row is None or not live or contains(environment.repository.mirror_path, live, row.merge_commit):
        return None
    if Deployment.objects.filter(change=row, environment=environment, ended_at=None).exists():  # it is on its way
        return None
    return row if is_wanted(row.merge_commit) else None


def deploy_it_text(row: ChangeRequest | None, environment: Environment) -> str:
    """What to do then, as a sentence with a space before it; empty without ``row``."""
    return f" {environment.name} runs without {row.label}: deploy {row.label} to {environment.name}." if row else ""
