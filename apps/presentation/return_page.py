"""What bringing an earlier deployment back would do, before anybody presses the button. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Conflict
from apps.deployments.models import Deployment
from apps.deployments.queries.returning import Return, return_to
from apps.presentation.gate_ahead import GateAhead, Patch, gate_ahead, patch_of
from apps.presentation.rollback_page import FILES_SHOWN, SIGNS, FileEffect
from apps.vcs import paths, trees


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """``why_not``: nothing can be brought back, in words; then the rest is empty."""

    deployment: Deployment
    why_not: str = ""
    found: Return | None = None
    gate: GateAhead | None = None
    files: tuple[FileEffect, ...] = ()
    more_files: int = 0
    patch: Patch | None = None

    @property
    def confirm_name(self) -> str:
        row = self.deployment.environment
        return row.name if row.protected else ""

    @property
    def is_possible(self) -> bool:
        return self.found is not None and self.found.is_possible


def return_page(deployment: Deployment) -> ReturnPage:
    """The preview; what cannot be brought back is told on it."""
    try:
        found = return_to(deployment)
    except Conflict as problem:
        return ReturnPage(deployment, why_not=problem.message)
    if not found.is_possible:
        return ReturnPage(deployment, found=found)
    repository = deployment.environment.repository
    branch = deployment.change.target_branch
    rows = found.differences
    return ReturnPage(
        deployment,
        found=found,
        gate=gate_ahead(repository, branch, found.tip, found.tree, [deployment.environment]),
        files=tuple(
            FileEffect(paths.display(one.path), SIGNS.get(one.status, "changed")) for one in rows[:FILES_SHOWN]
        ),
        more_files=max(0, len(rows) - FILES_SHOWN),
        patch=patch_of(trees.patch(repository.mirror_path, found.tip, found.tree)),
    )
