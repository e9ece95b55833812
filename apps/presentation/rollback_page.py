"""What rolling back a deployment would do, before anybody presses the button. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.changes.effects.irreversible import ReadBack, irreversible_parts
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.promotion import coming_along
from apps.deployments.queries.undoing import begun_in
from apps.presentation.applied import Applied, applied_of
from apps.presentation.files_back import FilesBack, files_back
from apps.presentation.gate_ahead import GateAhead, Patch, gate_ahead, patch_of
from apps.vcs import history, merging, objects, paths, refs, trees


@dataclass(frozen=True, slots=True)
class Along:
    """What a roll-back brings to an environment that does not run it yet."""

    environment: Environment
    changes: tuple[ChangeRequest, ...]


@dataclass(frozen=True, slots=True)
class RollbackPage:
    """``back_to`` is set when the tree becomes exactly the one before the merge; ``later`` counts the commits
    that came after it otherwise, and stay. ``conflicts``: nothing can be undone by itself."""

    deployment: Deployment
    environments: tuple[Environment, ...]
    tip: str
    before: str
    before_change: ChangeRequest | None
    later: int
    files: FilesBack
    conflicts: tuple[str, ...]
    nothing_left: bool
    gate: GateAhead | None
    patch: Patch | None
    confirm_name: str
    read_back: ReadBack
    applied: Applied
    along: tuple[Along, ...] = ()

    @property
    def is_possible(self) -> bool:
        return not self.conflicts and not self.nothing_left

    @property
    def names(self) -> str:
        return ", ".join(row.name for row in self.environments)


def rollback_page(deployment: Deployment) -> RollbackPage:
    """The preview; :class:`Conflict` when the target branch or the merge is gone."""
    change = deployment.change
    repository = change.repository
    git_dir = repository.mirror_path
    tip = refs.branch_tip(git_dir, change.target_branch)
    if tip is None or not change.merge_commit:
        raise Conflict("target_gone", f"{change.label} is not on {change.target_branch}, so nothing can be taken out.")
    merged = history.read_commit(git_dir, change.merge_commit)
    present = objects.commit_tree_oid(git_dir, tip)
    before = merged.parents[0]
    result = merging.merge_trees(git_dir, merged.tree, present, objects.commit_tree_oid(git_dir, before))
    environments = tuple(begun_in(change).select_related("live_deployment__change"))
    effects = trees.diff_trees(git_dir, present, result.tree) if result.tree else []
    return RollbackPage(
        deployment=deployment,
        environments=environments,
        tip=tip,
        before=before,
        before_change=ChangeRequest.objects.filter(repository=repository, merge_commit=before).first(),
        later=history.count_between(git_dir, change.merge_commit, tip),
        files=files_back(effects),
        conflicts=tuple(paths.display(path) for path in result.conflicts),
        nothing_left=result.tree == present,
        gate=_gate(change, tip, result.tree, environments) if result.tree else None,
        patch=patch_of(trees.patch(git_dir, present, result.tree)) if result.tree else None,
        confirm_name=next((row.name for row in environments if row.protected), ""),
        read_back=irreversible_parts(change),
        applied=applied_of(deployment, deployment.attempt_rows.order_by("number")),
        along=tuple(_along(change, environments)),
    )


def _along(change: ChangeRequest, environments: tuple[Environment, ...]) -> Iterator[Along]:
    for row in environments:
        changes = coming_along(change, row)
        if changes:
            yield Along(row, tuple(changes))


def _gate(change: ChangeRequest, tip: str, tree: str, environments: tuple[Environment, ...]) -> GateAhead:
    given = change.reviews.filter(with_rollback=True, withdrawn_at=None).order_by("pk")
    names = dict.fromkeys(given.values_list("reviewer__username", flat=True))
    branch = change.target_branch
    return gate_ahead(change.repository, branch, tip, tree, environments, undone=change, beforehand=names)
