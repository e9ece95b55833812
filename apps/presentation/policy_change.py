"""A change of the policy itself: what it would say otherwise, and what it would have done to the changes of the past."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.queries import DryRun, dry_run
from apps.policies.config import Difference, differences, is_module, is_policy
from apps.policies.reading import Located, files_at
from apps.reviews.content import files_of
from apps.reviews.facts import policy_of
from apps.vcs.paths import display


@dataclass(frozen=True, slots=True)
class ModuleChange:
    """A module of Rego that is ``added``, ``changed``, ``deleted`` and the like; ``file`` is its id in the difference."""

    path: str
    change: str
    file: str


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """``problems`` make the file of the change invalid: it would not govern, so nothing is compared or tried."""

    problems: tuple[Located, ...]
    notices: tuple[Located, ...]
    differences: tuple[Difference, ...]
    owners_differ: bool
    run: DryRun | None
    modules: tuple[ModuleChange, ...] = ()


def touches_policy(change: ChangeRequest) -> bool:
    """Whether the present revision changes portal.yaml, an owners file, or a module of Rego that is asked now."""
    if change.revision is None:
        return False
    rego = policy_of(change).config.rego.directory
    return any(is_policy(path, rego) for path in change.revision.paths)


def policy_change(change: ChangeRequest) -> PolicyChange | None:
    """``None`` where the present revision has no result, or leaves the policy as it is."""
    revision = change.revision
    if revision is None or not revision.result_tree or not touches_policy(change):
        return None
    after = files_at(change.repository.mirror_path, revision.result_tree)
    errors = tuple(found for found in after.problems if found.problem.severity == "error")
    notices = tuple(found for found in after.problems if found not in errors)
    if errors:
        return PolicyChange(errors, notices, (), owners_differ=False, run=None)
    before = policy_of(change)
    folders = {before.config.rego.directory, after.config.rego.directory}
    return PolicyChange(
        (),
        notices,
        differences(before.config, after.config),
        owners_differ=before.owners_blob != after.owners_blob,
        run=dry_run(change.repository, revision.target_branch, after),
        modules=tuple(
            ModuleChange(display(file.path), file.status_word, file.id)
            for file in files_of(change, revision)
            if any(is_module(path, folder) for path in (file.old_path, file.new_path) for folder in folders)
        ),
    )
