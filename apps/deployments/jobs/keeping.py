"""Storing what is known of a run outside, as long as nobody newer owns it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import LeaseLost

LONGEST_WAIT = timedelta(minutes=5)
"""Nobody puts the next look at a run off for longer."""


def keep(attempt: Attempt, deployment: Deployment, fence: int, /, **facts: Any) -> None:
    """Store what is known of the run outside; :class:`LeaseLost` when somebody newer owns it."""
    with transaction.atomic():
        held = Deployment.objects.select_for_update(no_key=True).filter(pk=deployment.pk, fence=fence)
        if not held.exists():
            raise LeaseLost
        attempt.external_run = {**attempt.external_run, **facts}
        attempt.save(update_fields=["external_run"])
