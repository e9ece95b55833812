"""What a dispatcher is told of an attempt."""

from __future__ import annotations

import json
from dataclasses import replace

from django.conf import settings

from apps.core.secrets import decrypt
from apps.deployments import plans
from apps.deployments.dispatchers import Run
from apps.deployments.jobs.planned import to_plan
from apps.deployments.jobs.rendered import to_apply
from apps.deployments.models import Attempt, Deployment, EnvironmentSecret
from apps.deployments.queries.connections import outside_of
from apps.deployments.queries.repeating import run_to_repeat


def run_of(deployment: Deployment, attempt: Attempt, *, with_secrets: bool) -> Run:
    """The attempt as its dispatcher needs it; without secrets also without the credentials of its connection."""
    environment = deployment.environment
    sealed = attempt.sealed_secrets if with_secrets else ""
    return Run(
        key=attempt.key,
        deployment=deployment.number,
        attempt=attempt.number,
        git_dir=environment.repository.mirror_path,
        commit=deployment.commit,
        steps=plans.planned_steps(deployment.plan),
        from_step=attempt.from_step,
        environment={
            "PORTAL_REPOSITORY": environment.repository.name,
            "PORTAL_ENVIRONMENT": environment.name,
            "PORTAL_CHANGE": deployment.change.label,
            "PORTAL_COMMIT": deployment.commit,
            "PORTAL_DEPLOYMENT": str(deployment.number),
            "PORTAL_ATTEMPT": str(attempt.number),
            "PORTAL_KIND": deployment.kind,
        },
        secrets=json.loads(decrypt(sealed)) if sealed else {},
        external=attempt.external_run,
        options=deployment.plan["raw"],
        outside=outside_of(attempt.connection) if with_secrets and attempt.connection is not None else None,
        reports=tuple(attempt.reports.values_list("body", flat=True)) if attempt.connection_id else (),
        callback_url=f"{settings.PORTAL_URL}/api/v1/deployments/{deployment.number}/reports/",
        before=run_to_repeat(deployment, attempt=attempt.number) if _is_new_repeat(attempt) else None,
        is_cancelled=deployment.cancel_requested_by_id is not None,
        is_watched=bool(attempt.health),
        to_apply=to_apply(deployment, attempt) if with_secrets else None,
        to_plan=to_plan(deployment, attempt) if with_secrets else None,
    )


def run_of_check(deployment: Deployment, attempt: Attempt) -> Run:
    """For a command that looks after what was deployed: with the secrets that the steps got, or else with those of now."""
    sealed = attempt.sealed_secrets
    secrets = json.loads(decrypt(sealed)) if sealed else secrets_for_steps(deployment)
    return replace(run_of(deployment, attempt, with_secrets=False), secrets=secrets)


def secrets_for_steps(deployment: Deployment) -> dict[str, str]:
    """The secrets for deployments that its environment has now, in clear."""
    rows = EnvironmentSecret.objects.filter(
        environment=deployment.environment_id, used_for=EnvironmentSecret.Use.DEPLOY
    )
    return {row.name: decrypt(row.value) for row in rows}


def _is_new_repeat(attempt: Attempt) -> bool:
    """Whether it is to do again what failed before, and nothing is stored of that yet."""
    return attempt.only_failed and not attempt.external_run.get("repeats")
