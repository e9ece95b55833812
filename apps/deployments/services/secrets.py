"""Values that steps get as environment variables and that nobody reads back."""

from __future__ import annotations

import re

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core import secrets
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.deployments import access
from apps.deployments.masking import SHORTEST
from apps.deployments.models import Environment, EnvironmentSecret

Use = EnvironmentSecret.Use
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
LONGEST = 64 * 1024
RESERVED = re.compile(r"(PORTAL_.*|HOME|TMPDIR|PATH|LD_.*|DYLD_.*|IFS|ENV|BASH_ENV|SHELLOPTS)", re.IGNORECASE)
"""Names that the portal sets itself, or by which a value would act on the shell instead of on the step."""


@transaction.atomic
def set_secret(
    actor: User, *, environment: Environment, name: str, value: str, used_for: str = Use.DEPLOY
) -> EnvironmentSecret:
    """Store or replace a secret of ``environment``; the next attempt, or plan, gets it. Maintainers only.

    One name can stand for both uses with different values: what plans may only read.
    """
    access.require_keep_secrets(actor, environment)
    _check_use(used_for)
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name):
        raise InvalidInput(
            "bad_secret_name",
            "A name has letters, digits and _, starts with no digit, and is none that the portal or the shell uses.",
            field="name",
        )
    if not SHORTEST <= len(value.encode()) <= LONGEST or "\0" in value:
        raise InvalidInput(
            "bad_secret_value",
            f"A value has {SHORTEST} to {LONGEST:,} bytes and no NUL: a shorter one could not be masked in logs.",
            field="value",
        )
    row, _ = EnvironmentSecret.objects.update_or_create(
        environment=environment,
        name=name,
        used_for=used_for,
        defaults={"value": secrets.encrypt(value), "updated_at": now(), "updated_by": actor},
    )
    _record(actor, environment, f"{actor.username} set the secret {_label(name, used_for)} of {environment.name}", row)
    return row


@transaction.atomic
def remove_secret(actor: User, *, environment: Environment, name: str, used_for: str = Use.DEPLOY) -> None:
    """Remove a secret. Maintainers only; :class:`InvalidInput` when there is none of that name and use."""
    access.require_keep_secrets(actor, environment)
    _check_use(used_for)
    row = EnvironmentSecret.objects.filter(environment=environment, name=name, used_for=used_for).first()
    if row is None:
        raise InvalidInput(
            "unknown_secret", f"{environment.name} has no secret {_label(name, used_for)}.", field="name"
        )
    row.delete()
    _record(
        actor, environment, f"{actor.username} removed the secret {_label(name, used_for)} of {environment.name}", row
    )


def _check_use(used_for: str) -> None:
    if used_for not in Use.values:
        raise InvalidInput("bad_secret_use", "A secret is used to deploy, or to plan.", field="used_for")


def _label(name: str, used_for: str) -> str:
    return f"{name} (for plans)" if used_for == Use.PLAN else name


def _record(actor: User, environment: Environment, summary: str, row: EnvironmentSecret) -> None:
    audit.record(
        Actor.of(actor),
        "environment.updated",
        target=row.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=summary,
        data={"secret": row.name, "used_for": row.used_for},
    )
