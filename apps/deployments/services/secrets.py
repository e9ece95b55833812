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

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
LONGEST = 64 * 1024
RESERVED = re.compile(r"(PORTAL_.*|HOME|TMPDIR|PATH|LD_.*|DYLD_.*|IFS|ENV|BASH_ENV|SHELLOPTS)", re.IGNORECASE)
"""Names that the portal sets itself, or by which a value would act on the shell instead of on the step."""


@transaction.atomic
def set_secret(actor: User, *, environment: Environment, name: str, value: str) -> EnvironmentSecret:
    """Store or replace a secret of ``environment``; the next attempt gets it. Maintainers only."""
    access.require_keep_secrets(actor, environment)
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
        defaults={"value": secrets.encrypt(value), "updated_at": now(), "updated_by": actor},
    )
    _record(actor, environment, f"{actor.username} set the secret {name} of {environment.name}", name)
    return row


@transaction.atomic
def remove_secret(actor: User, *, environment: Environment, name: str) -> None:
    """Remove a secret. Maintainers only; :class:`InvalidInput` when there is none of that name."""
    access.require_keep_secrets(actor, environment)
    removed, _ = EnvironmentSecret.objects.filter(environment=environment, name=name).delete()
    if not removed:
        raise InvalidInput("unknown_secret", f"{environment.name} has no secret {name!r}.", field="name")
    _record(actor, environment, f"{actor.username} removed the secret {name} of {environment.name}", name)


def _record(actor: User, environment: Environment, summary: str, name: str) -> None:
    audit.record(
        Actor.of(actor),
        "environment.updated",
        target=name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=summary,
        data={"secret": name},
    )
