"""Whether another commit brings an environment the same as the one that was deployed there.

Only environments that a change reaches are deployed (DESIGN §4), while what follows a branch by itself is at its newest commit:
what lies between the two and reaches others only is nobody's drift.
"""

from __future__ import annotations

from apps.core.errors import PortalError
from apps.deployments.models import Deployment
from apps.policies.config import affected_environments
from apps.policies.queries import policy_at
from apps.repositories import mirrors
from apps.vcs import objects, trees
from apps.vcs.history import is_ancestor


def is_as_deployed(deployment: Deployment, commit: str) -> bool:
    """Whether ``commit`` contains that of ``deployment``, and nothing between them reaches its environment.

    By what both define of it, which is read where it is defined differently, too. ``False`` where that cannot be shown.
    """
    if commit == deployment.commit:
        return True
    try:
        return _is_unreached(deployment, commit)
    except PortalError:
        return False


def _is_unreached(deployment: Deployment, commit: str) -> bool:
    environment, repository = deployment.environment, deployment.environment.repository
    git_dir = repository.mirror_path
    if objects.object_type(git_dir, commit) is None:
        mirrors.refresh(repository)  # whoever follows the branch may have fetched it before us
    if not is_ancestor(git_dir, deployment.commit, commit):
        return False
    changed = trees.diff_trees(git_dir, deployment.commit, commit)
    paths = [path for row in changed for path in (row.old_path, row.new_path)]
    for side in (deployment.commit, commit):
        config = policy_at(repository, deployment.change.target_branch, side).config
        if config.environment(environment.name) is None or environment.name in affected_environments(config, paths):
            return False
    return True
