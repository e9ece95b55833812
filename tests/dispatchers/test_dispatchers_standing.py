"""How what was deployed does now, as Argo CD, Flux and a cluster tell it: healthy only where all of it was seen to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from apps.deployments.dispatchers.flux import FluxDispatcher
from apps.deployments.dispatchers.kubernetes import KubernetesDispatcher
from apps.deployments.dispatchers.registry import DISPATCHERS, TELLERS, health_teller_of
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo, argo, resource
from tests.support.clusters import Cluster, config, deployment, succeeded
from tests.support.dispatching import COMMIT, run_for
from tests.support.kube import Kube, kube

OTHER = "d" * 40
WEB = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


@pytest.fixture
def there() -> Iterator[Argo]:
    with argo() as found:
        found.operate(COMMIT)
        yield found


@pytest.fixture
def cluster() -> Iterator[Kube]:
    with kube() as found:
        yield found


def test_every_teller_is_a_dispatcher() -> None:
    assert set(TELLERS) == {"argocd", "flux", "kubernetes"} <= set(DISPATCHERS)
    assert health_teller_of("local") is None


@pytest.mark.parametrize(
    ("health", "resources", "word", "why"),
    [
        ("Healthy", [], "healthy", ""),
        ("Degraded", [{"status": "Degraded", "message": "crash loop"}], "degraded", "Deployment web (crash loop)"),
        ("Progressing", [{"status": "Progressing"}, {"status": "Healthy"}], "degraded", "Deployment web (progressing)"),
        ("Missing", [{"status": "Missing"}], "down", "Deployment web (missing)"),
        ("Missing", [{"status": "Missing"}, {"status": "Healthy"}], "degraded", "Deployment web (missing)"),
        ("Degraded", [], "degraded", "Argo CD says Degraded."),
        ("Suspended", [], "unknown", "Suspended"),
        ("Unknown", [], "unknown", "Unknown"),
    ],
)
def test_argo_cd_tells_it_of_the_application_and_what_is_not_well(
    there: Argo, health: str, resources: list[dict[str, str]], word: str, why: str
) -> None:
    there.status["health"] = {"status": health}
    names = ["web", "other"]
    there.status["resources"] = [resource(name, health=one) for name, one in zip(names, resources, strict=False)]
    there.status["sync"] = {"status": "OutOfSync", "revision": OTHER}  # it does as it does, whatever it is at
    told = ArgoCDDispatcher().find_health(run_for("argocd", there.url, {"application": "web"}))
    assert told.word == word
    assert why in told.why
    assert {method for method, _, _ in there.requests} == {"GET"}


def test_an_argo_cd_that_does_not_answer_tells_nothing(there: Argo) -> None:
    with pytest.raises(Unavailable):
        ArgoCDDispatcher().find_health(run_for("argocd", there.url, {"application": "another"}))


@pytest.mark.parametrize(
    ("ready", "status", "may_read", "word", "why"),
    [
        ("True", WEB, True, "healthy", ""),
        ("True", {**WEB, "readyReplicas": 1, "availableReplicas": 1}, True, "degraded", "available: 1 of 2"),
        ("True", {**WEB, "readyReplicas": 0, "availableReplicas": 0}, True, "down", "available: 0 of 2"),
        ("False", WEB, True, "degraded", "said so"),
        ("True", WEB, False, "unknown", "cannot be read"),
    ],
)
def test_flux_tells_it_by_what_it_lists_and_is_not_well_where_it_is_not_ready(
    cluster: Kube, ready: str, status: dict[str, Any], word: str, why: str, *, may_read: bool
) -> None:
    flux = Flux(cluster)
    cluster.objects["deployments", "web", "web"] = {
        "metadata": {"name": "web", "generation": 1, "uid": "u"}, "spec": {"replicas": 2}, "apiVersion": "apps/v1",
        "kind": "Deployment", "status": {"observedGeneration": 1, **status},
    }  # fmt: skip
    if not may_read:
        cluster.answers["GET deployments"] = [403]
    entries = [{"id": "web_web_apps_Deployment", "v": "v1"}, {"id": "web_c__ConfigMap", "v": "v1"}]
    flux.reconcile(OTHER, ready=ready, inventory={"entries": entries})
    told = FluxDispatcher().find_health(run_for("flux", flux.url, {"kustomization": "all-apps"}))
    assert told.word == word
    assert why in told.why


def test_flux_that_lists_nothing_is_not_called_healthy(cluster: Kube) -> None:
    flux = Flux(cluster)
    flux.reconcile(COMMIT)
    assert FluxDispatcher().find_health(run_for("flux", flux.url, {"kustomization": "all-apps"})).word == "unknown"


@pytest.mark.parametrize(
    ("web", "api", "word", "why"),
    [
        (WEB, WEB, "healthy", ""),
        ({**WEB, "availableReplicas": 1}, WEB, "degraded", "/web (available: 1 of 2)"),
        ({**WEB, "availableReplicas": 0}, WEB, "degraded", "/web (available: 0 of 2)"),
        ({**WEB, "availableReplicas": 0}, {**WEB, "availableReplicas": 0}, "down", "/api (available: 0 of 2)"),
        (None, {**WEB, "availableReplicas": 0}, "down", "/web (it is not there)"),
    ],
)
def test_a_cluster_tells_it_of_what_has_a_state_of_its_own(
    cluster: Kube, web: dict[str, int] | None, api: dict[str, int], word: str, why: str
) -> None:
    here = Cluster(cluster.url, "")
    run = succeeded(here.run(config(), deployment(0), deployment(0, "api")))
    for name, status in (("web", web), ("api", api)):
        if status is None:
            del cluster.objects["deployments", here.namespace, name]
            continue
        cluster.objects["deployments", here.namespace, name]["spec"]["replicas"] = 2
        cluster.status("deployments", name, status, here.namespace)
    before = len(cluster.changes())
    told = KubernetesDispatcher().find_health(run)
    assert told.word == word
    assert why in told.why
    assert len(cluster.changes()) == before


def test_a_cluster_of_which_nothing_has_a_state_is_not_called_healthy(cluster: Kube) -> None:
    run = succeeded(Cluster(cluster.url, "").run(config()))
    assert KubernetesDispatcher().find_health(run).word == "unknown"
