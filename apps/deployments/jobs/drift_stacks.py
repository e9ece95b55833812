"""What a look at a stack of CloudFormation needs of the repository: its name, and what of it nobody may see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.deployments.dispatchers import Run, ToApply
from apps.deployments.jobs.planned import sealed_plan, to_plan
from apps.deployments.models import Attempt, Deployment
from apps.rendering.cloudformation.secrets import hidden
from apps.rendering.redaction import Fingerprint, redact_value
from apps.rendering.terraform.hiding import Cleaner


def with_stack(run: Run, deployment: Deployment, hide: Fingerprint) -> Run:
    """The run with the target as it was deployed. Nothing of it is stored."""
    plan = to_plan(deployment, Attempt(sealed_rendering=sealed_plan(deployment)))
    assert plan is not None  # noqa: S101 - it was just sealed, and only `via: cloudformation` comes here
    cleaner = Cleaner(plan.hide, hide)
    keeps_some = any(one.get("UsePreviousValue") for one in plan.content["parameters"])

    def clean(value: Any) -> Any:
        return everything_hidden(value, hide) if keeps_some else cleaner.value(hidden(value, hide))

    return replace(run, to_plan=plan, to_apply=ToApply((), "", clean))


def everything_hidden(value: Any, hide: Fingerprint) -> Any:
    """Everything but names: a parameter keeps a value that only the account knows, and it may stand anywhere."""
    if isinstance(value, dict):
        return {key: everything_hidden(each, hide) for key, each in value.items()}
    if isinstance(value, list):
        return [everything_hidden(each, hide) for each in value]
    return redact_value({"password": str(value)}, hide)["password"]
