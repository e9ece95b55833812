"""What rolling a change back on one of its deployments would do: asked by the page, the API and the act itself. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.deployments.inverses import TakenOut, take_out
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.elsewhere import deploy_it_text, landed_elsewhere
from apps.deployments.queries.undoing import begun_in, contains, open_rollback, require_undoable
from apps.vcs import objects, refs


@dataclass(frozen=True, slots=True)
class RollBack:
    """``before`` is the commit to which ``change`` came; ``environments`` go back with it, in promotion order.

    ``restores``: the branch becomes exactly what it was at ``before``. ``open_one`` was asked for already and does the same.
    ``instead``: it has landed without ``change``, which ``asked_in`` still runs, because it did not go there.
    """

    change: ChangeRequest
    before: str
    environments: tuple[Environment, ...]
    taken: TakenOut
    restores: bool
    open_one: ChangeRequest | None
    asked_in: Environment
    instead: ChangeRequest | None

    @property
    def tip(self) -> str:
        """The commit of the branch on which the inverse is made."""
        return self.taken.tip

    @property
    def why_not(self) -> str:
        """Why nothing is rolled back now, in words, but for what stands in the way (``taken.conflicts``); empty: nothing else does."""
        label = self.change.label
        if self.taken.is_nothing:  # an open one could not be merged, either
            said = f"Nothing of {label} is left on {self.change.target_branch}."
            return f"{said}{deploy_it_text(self.instead, self.asked_in)}"
        if self.open_one is not None:
            return f"{self.open_one.label} rolls {label} back already. Approve or merge that one."
        return ""


def roll_back_of(deployment: Deployment) -> RollBack:
    """What rolling the change of ``deployment`` back would do now.

    :class:`Conflict` ``wrong_state``, ``never_live``, ``target_gone``, ``no_revision``.
    """
    change = deployment.change
    if change.status not in {Status.MERGED, Status.DONE}:
        said = f"{change.label} is {change.status}; only what is merged can be rolled back. Reload the page to see where it stands."
        raise Conflict("wrong_state", said, status=change.status)
    require_undoable(deployment)
    git_dir = change.repository.mirror_path
    tip = refs.branch_tip(git_dir, change.target_branch)
    if tip is None:
        raise Conflict("target_gone", f"The branch {change.target_branch} is gone, so nothing can be merged into it.")
    before = _before(change)
    taken = take_out(git_dir, tip=tip, before=before, after=change.merge_commit)
    return RollBack(
        change=change,
        before=before,
        environments=tuple(begun_in(change).select_related("live_deployment__change")),
        taken=taken,
        restores=taken.tree == objects.commit_tree_oid(git_dir, before),
        open_one=open_rollback(change),
        asked_in=deployment.environment,
        instead=_instead(deployment, before) if taken.is_nothing else None,
    )


def _instead(deployment: Deployment, before: str) -> ChangeRequest | None:
    """The newest that landed without the change of ``deployment``, where its environment runs that still."""
    change, environment = deployment.change, deployment.environment
    git_dir = change.repository.mirror_path
    if not (environment.live_commit and contains(git_dir, environment.live_commit, change.merge_commit)):
        return None

    def is_without(commit: str) -> bool:
        return take_out(git_dir, tip=commit, before=before, after=change.merge_commit).is_nothing

    return landed_elsewhere(environment, change.target_branch, is_without)


def _before(change: ChangeRequest) -> str:
    """Where the branch was when ``change`` landed: a merge is made on exactly the tip that its revision names, and what was
    adopted went past the portal from there, with any number of commits or without a parent among them (ADR 20).
    """
    if change.revision is None:
        raise Conflict("no_revision", f"{change.label} has no code, so there is nothing to undo.")
    return str(change.revision.target_oid)
