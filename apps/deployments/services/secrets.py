"""Values that steps get and nobody reads back."""

from __future__ import annotations

from apps.accounts.models import User
from apps.deployments.models import Environment, EnvironmentSecret


def set_secret(actor: User, *, environment: Environment, name: str, value: str) -> EnvironmentSecret:
    raise NotImplementedError


def remove_secret(actor: User, *, environment: Environment, name: str) -> None:
    raise NotImplementedError
