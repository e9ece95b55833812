"""The portal itself applies to a cluster: the resources of a target, or one Job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.deployments.dispatchers import Capabilities, Progress, Run, kube_apply, kube_drift, kube_job
from apps.deployments.dispatchers.drift import Found
from apps.deployments.dispatchers.kube_api import test
from apps.deployments.dispatchers.standing import Standing

__all__ = ["KubernetesDispatcher", "test"]


class KubernetesDispatcher:
    """See :mod:`kube_apply` and :mod:`kube_job`: both may be asked again, for what they send changes nothing the second time."""

    capabilities = Capabilities(cancel=True, logs=True, remote=True, resends=True, timeout=kube_job.DEFAULT_TIMEOUT)

    def prepare(self, run: Run) -> dict[str, Any]:
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        return kube_job.dispatch(run) if run.options.get("job") else kube_apply.dispatch(run)

    def observe(self, run: Run) -> Progress:
        return kube_job.observe(run) if run.options.get("job") else kube_apply.observe(run)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        reading = kube_job.read_log if run.options.get("job") else kube_apply.read_log
        return reading(run, key, offset, limit)

    def cancel(self, run: Run) -> bool:
        """A Job is deleted; of a target the next look applies nothing more, and what is applied stays."""
        return kube_job.cancel(run) if run.options.get("job") else run.is_sent

    def discard(self, run: Run) -> None:
        return

    def find_drift(self, run: Run) -> Found:
        return kube_drift.find_drift(run)

    def find_health(self, run: Run) -> Standing:
        return kube_drift.find_health(run)
