"""A cluster for tests of what is applied to one: the stub or a real server, and the resources that tests send."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from apps.deployments.dispatchers import Applied, Progress, Run, RunState, ToApply
from apps.deployments.dispatchers.kubernetes import KubernetesDispatcher
from apps.rendering.redaction import keyed, redact_value
from tests.support.dispatching import TOKEN, look, run_for

K8S = KubernetesDispatcher()
HIDE = keyed(b"a key")


class Cluster:
    """A namespace of its own on the stub or on a real server, spoken to as another manager would."""

    def __init__(self, url: str, ca: str) -> None:
        self.url, self.ca = url, ca
        self.namespace = f"t-{uuid.uuid4().hex[:8]}"
        verify = ssl.create_default_context(cadata=ca) if ca else False
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, verify=verify)
        self.put("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def put(
        self, path: str, body: Mapping[str, Any], manager: str = "somebody", *, force: bool = False
    ) -> dict[str, Any]:
        kind = {"Content-Type": "application/apply-patch+yaml"}
        name, params = body["metadata"]["name"], {"fieldManager": manager, **({"force": "true"} if force else {})}
        answer = self.client.patch(f"{path}/{name}", content=json.dumps(body), headers=kind, params=params)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    def get(self, path: str) -> dict[str, Any]:
        return dict(self.client.get(path).json())

    @property
    def inside(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def run(self, *bodies: Mapping[str, Any], before: tuple[Applied, ...] = (), **options: Any) -> Run:
        run = run_for(
            "kubernetes", self.url, {"target": "web", "namespace": self.namespace, **options}, key=uuid.uuid4().hex * 2
        )
        outside = replace(run.outside, options={"ca": self.ca} if self.ca else {}) if run.outside else None
        hide = lambda value: redact_value(value, HIDE)  # noqa: E731
        return replace(run, outside=outside, to_apply=ToApply(bodies, "d" * 64, hide, before))


def config(name: str = "one", namespace: str = "", **data: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"a": "1"}}


def deployment(replicas: Any = 0, name: str = "web", image: str = "web:1", namespace: str = "") -> dict[str, Any]:
    labels = {"app": name}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}},
    }
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def finished(run: Run, seconds: float = 20.0) -> tuple[Run, Progress]:
    """Looks until the end."""
    end = time.monotonic() + seconds
    while True:
        run, progress = look(K8S, run)
        if progress.state in {RunState.ENDED, RunState.LOST} or time.monotonic() > end:
            return run, progress
        time.sleep(0.1)


def applied(run: Run, seconds: float = 20.0) -> tuple[Run, Progress]:
    """Looks until nothing more is sent."""
    end = time.monotonic() + seconds
    while True:
        run, progress = look(K8S, run)
        if progress.state != RunState.NOT_STARTED or time.monotonic() > end:
            return run, progress


def ledger(run: Run) -> tuple[Applied, ...]:
    return tuple(Applied(*entry) for entry in run.external["ledger"])


def succeeded(run: Run) -> Run:
    run, progress = finished(run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded"), progress
    return run


def terminated(code: int) -> dict[str, Any]:
    return {
        "containerStatuses": [
            {"name": "job", "state": {"terminated": {"exitCode": code, "startedAt": "2026-01-01T00:00:00Z"}}}
        ]
    }
