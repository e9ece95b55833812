"""One plan: who may have the credentials, and who makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from django.conf import settings

from apps.changes.effects.outcomes import Outcome, outcome_from, with_checks
from apps.changes.effects.targets import Sides, rendered_target
from apps.changes.effects.tools import toolbox
from apps.changes.models import Rendering
from apps.core.secrets import decrypt
from apps.deployments.masking import SecretMask
from apps.deployments.models import Environment, EnvironmentSecret
from apps.policies.queries import policy_at
from apps.rendering.limits import MIB, Limits
from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint
from apps.rendering.terraform.runner import Credentials, plan_with_state
from apps.repositories.models import BranchTip, Repository

READABLE = frozenset({"AWS_REGION", "AWS_DEFAULT_REGION"})
"""Variables that are no secret, and whose values stand in every plan."""


def make_plan(row: Rendering, sides: Sides, hide: Fingerprint) -> Outcome:
    """What the change does to the environment as it is now. Raises :class:`RenderError`, without any credential."""
    environment = _environment(row)
    variables = variables_of(environment)
    mask = SecretMask(value for name, value in variables.items() if name not in READABLE)
    target = rendered_target(row)
    try:
        if target.kind is Kind.TERRAFORM:
            return _terraform(target, sides, hide, Credentials(variables, mask.apply, providers()))
        from apps.deployments.planning.stacks import plan_stack  # it brings boto3, which is slow to start

        planned = plan_stack(sides.after, target, hide, variables)
        return with_checks(outcome_from(planned), target, sides, hide)
    except RenderError as error:
        message = mask.apply(error.message.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        raise RenderError(error.failure, message, path=error.path, line=error.line) from None


def variables_of(environment: Environment) -> dict[str, str]:
    """What plans of this environment get: the secrets that are marked for plans, and no others."""
    rows = EnvironmentSecret.objects.filter(environment=environment, used_for=EnvironmentSecret.Use.PLAN)
    return {row.name: decrypt(row.value) for row in rows}


def _environment(row: Rendering) -> Environment:
    """Refused unless the default branch, too, gives this target to the runner.

    The policy of a change is that of its target branch. Whoever may push some branch could write one there that asks for
    the credentials of production; the default branch is where environments are defined.
    """
    repository = row.revision.change.repository
    found = Environment.objects.filter(repository=repository, name=row.environment, defined=True).first()
    if found is None or not is_planned_here(repository, row.environment, row.target, row.kind):
        text = (
            f"portal.yaml on {repository.default_branch} does not say that the runner of {row.environment} plans {row.target}, so this plan "
            "gets none of its credentials. Merge that into the default branch first."
        )
        raise RenderError(Failure.REFUSED, text)
    return found


def is_planned_here(repository: Repository, environment: str, target: str, kind: str) -> bool:
    """Whether the tip of the default branch gives this target to the runner of the environment."""
    branch = repository.default_branch
    tip = BranchTip.objects.filter(repository=repository, name=branch).first()
    config = policy_at(repository, branch, tip.oid).config if tip is not None and tip.oid else None
    found = config.environment(environment) if config is not None else None
    named = [
        one.options.get("plan") for one in (found.targets if found else ()) if (one.name, one.kind) == (target, kind)
    ]
    return named == ["runner"]


def _terraform(target: Target, sides: Sides, hide: Fingerprint, credentials: Credentials) -> Outcome:
    box = replace(toolbox(), limits=limits())
    made = plan_with_state(sides.after, target, box, hide, credentials)
    return outcome_from(made.planned, saved_plan=made.saved)


def limits() -> Limits:
    """Providers are large programs, and clouds take their time to answer."""
    seconds = settings.PORTAL_PLAN_SECONDS
    return Limits(
        wall=seconds, cpu=int(seconds), memory=6144 * MIB, address_space=32_768 * MIB, processes=1024,
        file_size=1024 * MIB, scratch=3072 * MIB,
    )  # fmt: skip


def providers() -> Path | None:
    return Path(settings.PORTAL_TERRAFORM_PROVIDERS) if settings.PORTAL_TERRAFORM_PROVIDERS else None
