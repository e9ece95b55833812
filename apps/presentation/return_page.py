"""What bringing an earlier deployment back would do, before anybody presses the button. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.errors import Conflict
from apps.deployments.models import Deployment
from apps.deployments.queries.returning import Return, return_to
from apps.deployments.services.returning import require_none_open
from apps.presentation.files_back import FilesBack, files_back
from apps.presentation.gate_ahead import GateAhead, Patch, gate_ahead, patch_of
from apps.vcs import trees


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """``why_not``: nothing can be brought back, in words; then the rest is empty, but for the number of a change to deploy ``instead``,
    or of the ``open_one`` that brings something back already.
    """

    deployment: Deployment
    why_not: str = ""
    instead: int | None = None
    open_one: int | None = None
    found: Return | None = None
    gate: GateAhead | None = None
    files: FilesBack = field(default_factory=FilesBack)
    patch: Patch | None = None

    @property
    def confirm_name(self) -> str:
        row = self.deployment.environment
        return row.name if row.protected else ""

    @property
    def shown(self) -> dict[str, str]:
        """What the act is held to when it is asked for from this page."""
        return {"tip": self.found.tip if self.found else ""}

    @property
    def is_possible(self) -> bool:
        return self.found is not None and self.found.is_possible

    @property
    def then(self) -> Deployment | None:
        """What the environment ran with exactly what it becomes: not where something that is new since stays."""
        return self.deployment if self.found and not (self.found.added or self.found.left) else None


def return_page(deployment: Deployment) -> ReturnPage:
    """The preview; what cannot be brought back is told on it."""
    try:
        found = return_to(deployment)
    except Conflict as problem:
        return ReturnPage(deployment, why_not=problem.message, instead=problem.details.get("change"))
    try:
        require_none_open(deployment.environment)
    except Conflict as problem:
        return ReturnPage(deployment, why_not=problem.message, open_one=problem.details["change"])
    if not found.is_possible:
        return ReturnPage(deployment, found=found)
    repository = deployment.environment.repository
    branch = deployment.change.target_branch
    return ReturnPage(
        deployment,
        found=found,
        gate=gate_ahead(
            repository, branch, found.tip, found.tree, [deployment.environment.name], also_reached=found.shared
        ),
        files=files_back(found.differences),
        patch=patch_of(trees.patch(repository.mirror_path, found.tip, found.tree)),
    )
