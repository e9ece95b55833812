"""What asking for a change in an environment would do now: asked by the page and the act itself. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.lifecycle import Status as ChangeStatus
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.plans import deploys_from
from apps.deployments.queries.gates import config_then
from apps.deployments.queries.standing import is_superseded
from apps.deployments.querysets import HOLDING
from apps.policies.config import EnvironmentConfig

UNDER_WAY = [str(Status.PENDING), *HOLDING]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``config`` is what portal.yaml says at the merged commit, which is what runs; ``ran_before``: it succeeded here once."""

    change: ChangeRequest
    environment: Environment
    config: EnvironmentConfig
    ran_before: bool

    @property
    def kind(self) -> Deployment.Kind:
        return Deployment.Kind.REDEPLOY if self.ran_before else Deployment.Kind.FORWARD

    @property
    def unsaved(self) -> Deployment:
        """The deployment that it would be, for whoever asks what becomes live with it."""
        return Deployment(change=self.change, environment=self.environment, commit=self.change.merge_commit)


def deployable(change: ChangeRequest, environment: str) -> Wanted:
    """Raises what :func:`~apps.deployments.services.start_deployment` does where ``change`` cannot be deployed there now."""
    if change.status not in {ChangeStatus.MERGED, ChangeStatus.DONE}:
        raise Conflict(
            "not_merged",
            f"{change.label} is {change.status.replace('_', ' ')}; it can be deployed when it is merged.",
            status=change.status,
        )
    if not deploys_from(change.target_branch, change.repository):
        raise Conflict(
            "other_branch",
            f"{change.label} was merged into {change.target_branch}; only {change.repository.default_branch} is deployed.",
        )
    row = _environment(change, environment)
    config = _defined_then(change, environment)
    require_none_under_way(change, row)
    ran_before = Deployment.objects.filter(change=change, environment=row, status=Status.SUCCEEDED).exists()
    if ran_before:
        _require_newest(change, row)
    return Wanted(change, row, config, ran_before)


def require_none_under_way(change: ChangeRequest, environment: Environment) -> None:
    """:class:`Conflict` ``already_pending`` names the deployment of ``change`` that waits or runs there."""
    live = Deployment.objects.filter(change=change, environment=environment, status__in=UNDER_WAY).first()
    if live is not None:
        raise Conflict(
            "already_pending",
            f"{live.label} of {change.label} to {environment.name} is {live.status} already. "
            "Watch that one, or cancel it first.",
            number=live.number,
            deployment=live.number,
            status=live.status,
        )


def _require_newest(change: ChangeRequest, environment: Environment) -> None:
    """A redeploy repeats what is live; taking an environment back to an older state is a roll-back with its gate."""
    live = environment.live_deployment
    if live is not None and is_superseded(environment, change.merge_commit):
        raise Conflict(
            "superseded",
            f"{environment.name} runs {live.commit[:10]} ({live.label}), which is newer than {change.label} and contains "
            f"it. To go back, roll back {live.change.label}; to repeat what is live, redeploy that one.",
            deployment=live.number,
        )


def _environment(change: ChangeRequest, name: str) -> Environment:
    rows = Environment.objects.filter(repository=change.repository, defined=True)
    row = rows.filter(name=name).select_related("repository", "live_deployment__change").first()
    if row is None:
        known = ", ".join(rows.values_list("name", flat=True))
        raise InvalidInput(
            "unknown_environment",
            f"{change.repository.name} has no environment {name!r}. It has: {known or 'none yet'}.",
            field="environment",
        )
    return row


def _defined_then(change: ChangeRequest, name: str) -> EnvironmentConfig:
    """What portal.yaml says of the environment at the merged commit."""
    found = config_then(change).environment(name)
    if found is None:
        raise Conflict(
            "not_defined_then",
            f"portal.yaml at {change.merge_commit[:10]}, where {change.label} was merged, has no environment {name}, so it says nothing "
            f"of how to deploy there. Deploy a newer change, which contains {change.label}.",
            environment=name,
        )
    return found
