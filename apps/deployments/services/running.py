"""Starting, stopping and judging deployments."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment


def start_deployment(actor: User, *, change: ChangeRequest, environment: str) -> Deployment:
    raise NotImplementedError


def release(actor: User, *, deployment: Deployment) -> Deployment:
    raise NotImplementedError


def cancel(actor: User, *, deployment: Deployment) -> Deployment:
    raise NotImplementedError


def retry(actor: User, *, deployment: Deployment, from_step: int | None = None) -> Deployment:
    raise NotImplementedError


def resolve(actor: User, *, deployment: Deployment, outcome: str, reason: str) -> Deployment:
    raise NotImplementedError
