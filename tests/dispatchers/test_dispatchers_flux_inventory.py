"""What Flux lists as applied, where the cluster stops answering in the middle."""

from __future__ import annotations

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import flux_inventory
from apps.deployments.dispatchers.kube_api import KubeApi
from tests.support.dispatching import run_for
from tests.support.kube import kube

IDS = ["web_a__ConfigMap", *(f"web_{name}_apps_Deployment" for name in ("web", "api", "ui"))]
STATUS = {"inventory": {"entries": [{"id": one} for one in IDS]}}


@pytest.mark.parametrize(("code", "count"), [("outside_silent", 1), ("outside_refused", 4)])
def test_the_same_silence_is_not_waited_for_again_and_an_error_of_one_is_of_one(
    monkeypatch: pytest.MonkeyPatch, code: str, count: int
) -> None:
    asked: list[str] = []

    def fail(_: KubeApi, path: str, **__: str) -> None:
        asked.append(path)
        raise Unavailable(code, "No answer.")

    monkeypatch.setattr(KubeApi, "get", fail)
    with kube() as other, KubeApi(run_for("flux", other.url, {}).outside) as api:
        found = flux_inventory.resources(STATUS, api)
    assert len(asked) == count
    assert {one.health for one in found} == {"unknown"}
    assert ("the cluster is silent" in {one.message for one in found}) is (count == 1)
