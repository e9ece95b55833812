"""A change of the policy itself: what it would say otherwise, and what it would have done to the changes of the past."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest, Revision
from apps.deployments.queries import DryRun, dry_run
from apps.policies.config import Difference, differences, is_policy
from apps.policies.reading import Located, files_at
from apps.reviews.facts import policy_of


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """``problems`` make the file of the change invalid: it would not govern, so nothing is compared or tried."""

    problems: tuple[Located, ...]
    notices: tuple[Located, ...]
    differences: tuple[Difference, ...]
    owners_differ: bool
    run: DryRun | None


def touches_policy(revision: Revision | None) -> bool:
    """Whether the revision changes portal.yaml or an owners file."""
    return revision is not None and any(is_policy(path) for path in revision.paths)


def policy_change(change: ChangeRequest) -> PolicyChange | None:
    """``None`` where the present revision has no result, or leaves the policy as it is."""
    revision = change.revision
    if revision is None or not revision.result_tree or not touches_policy(revision):
        return None
    after = files_at(change.repository.mirror_path, revision.result_tree)
    errors = tuple(found for found in after.problems if found.problem.severity == "error")
    notices = tuple(found for found in after.problems if found not in errors)
    if errors:
        return PolicyChange(errors, notices, (), owners_differ=False, run=None)
    before = policy_of(change)
    return PolicyChange(
        (),
        notices,
        differences(before.config, after.config),
        owners_differ=before.owners_blob != after.owners_blob,
        run=dry_run(change.repository, revision.target_branch, after.config, after.owners),
    )
