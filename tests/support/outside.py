"""A delivery whose staging is deployed through a connection to an outside system."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from apps.deployments import services
from apps.deployments.models import Connection, Deployment
from tests.support.delivery import Delivery, run_jobs


def outside_pipeline(deploy: str) -> str:
    """``portal.yaml`` with one environment, deployed as the flow mapping ``deploy`` says."""
    return f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy: {{{deploy}}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


def delivery_via(tmp_path: Path, deploy: str, *, kind: str, url: str, values: dict[str, str], **files: Any) -> Delivery:
    """A connected repository and the connection ``corp`` that it may use."""
    delivery = Delivery.start(tmp_path, outside_pipeline(deploy), files.pop("files", None))
    corp = services.create_connection(delivery.people.erin, name="corp", kind=kind, url=url, values=values)
    services.allow_connection(delivery.people.erin, connection=corp, repository=delivery.repository, environments=[])
    return delivery


def corp() -> Connection:
    return Connection.objects.get(name="corp")


def step_engine() -> None:
    """One round of the engine in which no pause is waited for."""
    Deployment.objects.filter(status__in=["pending", "dispatching", "running"]).update(check_at=None)
    run_jobs("deployments.start", "deployments.follow", "deployments.ask_commands")


def until(row: Deployment, *statuses: str, seconds: float = 20.0) -> Deployment:
    """Step the engine until the deployment has one of these statuses."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step_engine()
        row.refresh_from_db()
        if row.status in statuses:
            return row
        time.sleep(0.02)
    raise AssertionError(f"still {row.status}: {[event.text for event in row.events.all()]}")
