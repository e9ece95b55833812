"""Deployments whose health is watched: played on look by look."""

from __future__ import annotations

import time

from apps.deployments import queries
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery
from tests.support.outside import step_engine


def look(row: Deployment) -> Deployment:
    Deployment.objects.filter(pk=row.pk).update(check_at=None)
    step_engine()
    row.refresh_from_db()
    return row


def watched(delivery: Delivery) -> Deployment:
    """A deployment whose run is over and whose health was asked once."""
    return until_asked(delivery.deployment(delivery.merged()))


def until_asked(row: Deployment) -> Deployment:
    for _ in range(400):
        look(row)
        if Attempt.objects.filter(deployment=row).exclude(health={}).exists():
            return row
        time.sleep(0.02)
    raise AssertionError([event.text for event in queries.events(row)])
