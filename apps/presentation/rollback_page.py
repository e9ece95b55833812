"""What rolling back a deployment would do, before anybody presses the button. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.effects.irreversible import ReadBack, irreversible_parts
from apps.changes.models import ChangeRequest
from apps.deployments.access import can_bring_back
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.batches import Batch, batch_of
from apps.deployments.queries.ledger import once_live
from apps.deployments.queries.promotion import coming_along
from apps.deployments.queries.riding import held_along
from apps.deployments.queries.rolling_back import RollBack, roll_back_of
from apps.presentation.applied import Applied, applied_of
from apps.presentation.files_back import FilesBack, files_back
from apps.presentation.gate_ahead import GateAhead, Patch, gate_ahead, patch_of
from apps.vcs import history, trees


@dataclass(frozen=True, slots=True)
class Along:
    """What a roll-back brings to an environment that does not run it yet, and which gates of that hold it there, in words."""

    environment: Environment
    changes: tuple[ChangeRequest, ...]
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RollbackPage:
    """``later`` counts the commits that came after the change and stay; with none the tree becomes that of ``found.before``,
    which ``before_change`` made. ``batch``: others that the deployment brought to its environment and that would stay there;
    ``brings_back``: whether who looks may take all of them back. ``then``: with which the environment where it is asked for ran
    exactly what the branch goes back to.
    """

    deployment: Deployment
    found: RollBack
    before_change: ChangeRequest | None
    later: int
    files: FilesBack
    gate: GateAhead | None
    patch: Patch | None
    read_back: ReadBack
    applied: Applied
    batch: Batch | None
    brings_back: bool
    along: tuple[Along, ...] = ()
    then: Deployment | None = None

    @property
    def environments(self) -> tuple[Environment, ...]:
        return self.found.environments

    @property
    def shown(self) -> dict[str, str]:
        """What the act is held to when it is asked for from this page."""
        return {"tip": self.found.tip, "environments": " ".join(row.name for row in self.environments)}

    @property
    def is_possible(self) -> bool:
        return not self.found.why_not and not self.found.taken.conflicts

    @property
    def confirm_name(self) -> str:
        return next((row.name for row in self.environments if row.protected), "")

    @property
    def names(self) -> str:
        return ", ".join(row.name for row in self.environments)


def rollback_page(user: User, deployment: Deployment) -> RollbackPage:
    """The preview for ``user``; raises what :func:`roll_back_of` does where nothing can be rolled back here at all."""
    found = roll_back_of(deployment)
    change, taken = found.change, found.taken
    git_dir = change.repository.mirror_path
    gate = _gate(found) if taken.tree else None
    return RollbackPage(
        deployment=deployment,
        found=found,
        before_change=ChangeRequest.objects.filter(repository=change.repository, merge_commit=found.before).first(),
        later=history.count_between(git_dir, change.merge_commit, found.tip),
        files=files_back(trees.diff_trees(git_dir, taken.present, taken.tree) if taken.tree else []),
        gate=gate,
        patch=patch_of(trees.patch(git_dir, taken.present, taken.tree)) if taken.tree else None,
        read_back=irreversible_parts(change),
        applied=applied_of(deployment, deployment.attempt_rows.order_by("number")),
        batch=batch_of(deployment),
        brings_back=can_bring_back(user, deployment.environment).allowed,
        along=tuple(_along(found, is_free=gate is not None and gate.restores)),
        then=_run_before(found) if found.restores else None,
    )


def _run_before(found: RollBack) -> Deployment | None:
    """What was live of the commit that the branch goes back to, where the roll-back is asked for."""
    return once_live(found.asked_in).filter(commit=found.before).select_related("environment__repository").first()


def _along(found: RollBack, *, is_free: bool) -> Iterator[Along]:
    """``is_free``: it goes back to what was approved and live before, which waits for no gate of a deployment."""
    for row in found.environments:
        changes = coming_along(found.change, row)
        held = () if is_free else held_along(found.change, row, found.tip)
        if changes or held:
            yield Along(row, tuple(changes), held)


def _gate(found: RollBack) -> GateAhead:
    change = found.change
    given = change.reviews.filter(with_rollback=True, withdrawn_at=None).order_by("pk")
    return gate_ahead(
        change.repository,
        change.target_branch,
        found.tip,
        found.taken.tree,
        [row.name for row in found.environments],
        undone=change,
        beforehand=dict.fromkeys(given.values_list("reviewer__username", flat=True)),
    )
