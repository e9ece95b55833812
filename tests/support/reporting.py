"""What a receiver of signed webhooks tells the portal of a run."""

from __future__ import annotations

import json
from typing import Any

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Attempt, Deployment, Report
from tests.support.delivery import Delivery
from tests.support.outside import until
from tests.support.receiver import signature


def running(delivery: Delivery) -> Deployment:
    return until(delivery.deployment(delivery.merged()), "running")


def key_of(row: Deployment) -> str:
    return Attempt.objects.filter(deployment=row).latest("number").key


def report(row: Deployment, message_id: str = "m1", *, key: str = "", sign_with: str = "", **told: Any) -> Report:
    body = json.dumps({"key": key or key_of(row), **told}).encode()
    stamp = str(int(now().timestamp()))
    signed = sign_with or signature(message_id, stamp, body)
    headers = {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signed}
    return services.accept_report(number=row.number, headers=headers, body=body)
