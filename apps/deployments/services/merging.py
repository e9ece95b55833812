"""The decision to merge."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments.models import MergeIntent


def merge_change(actor: User, *, change: ChangeRequest) -> MergeIntent:
    raise NotImplementedError
