"""Going back."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment


def roll_back(actor: User, *, deployment: Deployment) -> ChangeRequest:
    raise NotImplementedError
