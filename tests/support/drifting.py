"""An environment that was deployed to a cluster of the stub, and what has become of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db.models import F

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Deployment, DriftCheck, DriftWatch, Environment
from apps.deployments.queries.drift import Drift, drift_of
from tests.support.delivery import Delivery, run_jobs
from tests.support.dispatching import TOKEN
from tests.support.kube import Kube, kube
from tests.support.outside import until

POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {web: {kind: manifests, path: k8s}}
    drift: {every: 30m}
    deploy: {via: kubernetes, connection: corp, target: web, namespace: web}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
CHECK = "deployments.check_drift"
CANARY = "hunter-the-second"


def config(name: str, value: str = "1") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '{value}'}}\n"


FILES = {
    "k8s/one.yaml": config("one"),
    "k8s/s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {CANARY}}}\n",
}


@dataclass
class Drifting:
    """``live``: the deployment that made what is there."""

    delivery: Delivery
    there: Kube
    live: Deployment

    @property
    def environment(self) -> Environment:
        return Environment.objects.select_related("repository").get(repository=self.delivery.repository, name="staging")

    @property
    def drift(self) -> Drift:
        row = self.environment
        return drift_of([row])[row.pk]

    @property
    def latest(self) -> DriftCheck:
        return DriftCheck.objects.get(environment=self.environment, is_latest=True)

    def check(self) -> Drift:
        """Look now, whatever the time is."""
        DriftWatch.objects.update(next_at=now())
        assert run_jobs(CHECK) == 1
        return self.drift

    def change(self, name: str = "one", value: str = "9") -> None:
        """Somebody edits a ConfigMap by hand."""
        self.there.objects["configmaps", "web", name]["data"]["a"] = value

    def later(self, **how: int) -> None:
        """As if all that is known had been found that much earlier."""
        past = timedelta(**how)
        Deployment.objects.update(started_at=F("started_at") - past)
        for row in DriftCheck.objects.all():
            since = row.since - past if row.since else None
            DriftCheck.objects.filter(pk=row.pk).update(checked_at=row.checked_at - past, since=since)

    def deploy(self, name: str, files: Mapping[str, str]) -> Deployment:
        """A change that bob approved after it was rendered, and that is live now."""
        row = deployed(self.delivery, name, files)
        self.live = row
        return row


def landed(delivery: Delivery, name: str, files: Mapping[str, str]) -> ChangeRequest:
    """A change that bob approved after its effect was known, and that is merged."""
    change = delivery.proposed(name, files)
    run_jobs()
    delivery.approve(change)
    change.refresh_from_db()
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    return change


def deployed(delivery: Delivery, name: str, files: Mapping[str, str]) -> Deployment:
    """And that is live in staging."""
    row = until(delivery.deployment(landed(delivery, name, files)), "succeeded", "failed")
    assert row.status == "succeeded", row.problem
    return row


@contextmanager
def drifting(tmp_path: Path, policy: str = POLICY) -> Iterator[Drifting]:
    """Deployed to a cluster, and not looked at yet."""
    with kube() as there:
        delivery = Delivery.start(tmp_path, policy, FILES)
        erin = delivery.people.erin
        corp = services.create_connection(erin, name="corp", kind="kubernetes", url=there.url, values={"token": TOKEN})
        services.allow_connection(erin, connection=corp, repository=delivery.repository, environments=[])
        live = deployed(delivery, "first", {"k8s/two.yaml": config("two")})
        run_jobs("deployments.read_environments")
        yield Drifting(delivery, there, live)
