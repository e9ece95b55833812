"""An environment of ``via: local`` whose drift a command tells, and a file beside it that stands for what is there."""

from __future__ import annotations

import json
from pathlib import Path

from django.db.models import QuerySet

from apps.deployments import services
from apps.deployments.models import DriftCheck, DriftWatch, Environment
from apps.deployments.queries.drift import Drift, drift_of
from tests.support.delivery import Delivery, run_jobs, run_until_idle
from tests.support.drifting import CHECK, config, landed

SECRET = "token-abcdefghijkl"  # of no real system


def yaml(command: str, more: str = "") -> str:
    drift = f"every: 30m, command: {json.dumps(command)}{more}"
    return f"""\
apiVersion: portal/v1
environments:
  staging:
    targets: {{web: {{kind: manifests, path: k8s}}}}
    drift: {{{drift}}}
    deploy: {{via: local, steps: [{{name: apply, run: 'true', timeout: 60s}}]}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


class Commanded:
    """An environment whose steps do nothing, and a file beside it that stands for what is there."""

    def __init__(self, tmp_path: Path, command: str, more: str = "") -> None:
        self.there = tmp_path / "there"
        self.there.write_text("replicas: 1\n")
        self.delivery = Delivery.start(
            tmp_path, yaml(command.replace("THERE", str(self.there)), more), {"k8s/one.yaml": config("one")}
        )
        run_jobs("deployments.read_environments")
        services.set_secret(self.delivery.people.erin, environment=self.environment, name="DEPLOY_TOKEN", value=SECRET)
        self.deploy("first", {"k8s/two.yaml": config("two")})
        assert self.environment.live_deployment is not None

    def deploy(self, name: str, files: dict[str, str]) -> None:
        landed(self.delivery, name, files)
        run_until_idle()

    @property
    def environment(self) -> Environment:
        rows = Environment.objects.select_related("repository", "live_deployment")
        return rows.get(repository=self.delivery.repository, name="staging")

    @property
    def latest(self) -> DriftCheck:
        return self.checks.get()

    @property
    def checks(self) -> QuerySet[DriftCheck]:
        return DriftCheck.objects.filter(environment=self.environment, is_latest=True)

    def check(self) -> Drift:
        """Look now, whatever the time is."""
        DriftWatch.objects.update(next_at="2020-01-01T00:00:00Z")
        assert run_jobs(CHECK) == 1
        row = self.environment
        return drift_of([row])[row.pk]
