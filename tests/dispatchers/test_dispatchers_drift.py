"""What Argo CD and Flux say of drift: believed only about the commit that was deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Run, ToApply
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from apps.deployments.dispatchers.drift import CannotTell
from apps.deployments.dispatchers.flux import FluxDispatcher
from apps.deployments.dispatchers.registry import DISPATCHERS, FINDERS, drift_finder_of
from apps.rendering.redaction import redact_value
from tests.dispatchers.test_dispatchers_flux import Flux
from tests.support.argo import Argo, argo, resource
from tests.support.clusters import HIDE
from tests.support.dispatching import COMMIT, TOKEN, run_for
from tests.support.kube import kube

ARGO, FLUX = ArgoCDDispatcher(), FluxDispatcher()
OTHER = "d" * 40
BETWEEN = "nothing between them reaches this environment."


@pytest.fixture
def there() -> Iterator[Argo]:
    with argo() as found:
        found.operate(COMMIT)
        yield found


@pytest.fixture
def flux() -> Iterator[Flux]:
    with kube() as cluster:
        found = Flux(cluster)
        found.reconcile(COMMIT)
        yield found


def app_run(there: Argo, **options: Any) -> Run:
    run = run_for("argocd", there.url, {"application": "web", **options})
    return replace(run, to_apply=ToApply((), "", lambda value: redact_value(value, HIDE)))


def flux_run(flux: Flux, **options: Any) -> Run:
    return run_for("flux", flux.url, options or {"kustomization": "all-apps"})


def found(run: Run) -> list[tuple[str, ...]]:
    return [(one.resource, one.kind, one.path, one.wanted, one.found) for one in ARGO.find_drift(run).findings]


def test_every_finder_is_a_dispatcher_and_the_others_say_so() -> None:
    assert set(FINDERS) == {"argocd", "cloudformation", "flux", "kubernetes"} <= set(DISPATCHERS)
    assert drift_finder_of("jenkins") is None


def test_a_synced_application_at_the_commit_of_the_ledger_is_in_sync_and_is_asked_anew(there: Argo) -> None:
    told = ARGO.find_drift(app_run(there, applicationNamespace="argo-apps"))
    assert (told.findings, told.problems, told.looked_at) == ((), (), 1)
    assert there.requests[-1][:2] == ("GET", "/api/v1/applications/web?appNamespace=argo-apps&refresh=normal")
    assert all(method == "GET" for method, _, _ in there.requests)


def test_what_is_out_of_sync_is_named_with_the_fields_that_argo_cd_compared(there: Argo) -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"}}
    sides = [json.dumps({**body, "spec": {"replicas": count, "paused": False}}) for count in (2, 5)]
    there.managed = [
        {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web", "predictedLiveState": sides[0],
         "normalizedLiveState": sides[1]},
    ]  # fmt: skip
    there.status["sync"]["status"] = "OutOfSync"
    there.status["resources"] = [
        resource(status="OutOfSync"),
        resource("gone", "OutOfSync", health={"status": "Missing"}),
        resource("old", "OutOfSync", requiresPruning=True),
        resource("other", "OutOfSync"),
        resource("good"),
    ]
    assert found(app_run(there)) == [
        ("Deployment web/web", "field", "spec.replicas", "2", "5"),
        ("Deployment web/gone", "missing", "", "there", "gone"),
        ("Deployment web/old", "told", "", "gone", "it is no longer in Git, and Argo CD would prune it"),
        ("Deployment web/other", "told", "", "in sync", "outofsync"),
    ]


def test_fields_that_argo_cd_does_not_tell_leave_the_resource_named(there: Argo) -> None:
    there.status["sync"]["status"] = "OutOfSync"
    there.status["resources"] = [resource(status="OutOfSync")]
    there.answers["GET managed-resources"] = [(403, "no")]
    told = ARGO.find_drift(app_run(there))
    assert [(one.kind, one.is_vague) for one in told.findings] == [("told", True)]
    assert "Argo CD did not tell the fields of what is out of sync." in told.not_looked


def test_stars_in_place_of_a_secret_do_not_tell_how_it_differs(there: Argo) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "web"}}
    sides = [
        json.dumps({**body, "data": {"password": stars}, "type": kind})
        for stars, kind in (("+++++", "Opaque"), ("++++++", "Other"))
    ]
    one = {"group": "", "kind": "Secret", "namespace": "web", "name": "s"}
    there.managed = [{**one, "predictedLiveState": sides[0], "normalizedLiveState": sides[1]}]
    there.status["sync"]["status"] = "OutOfSync"
    there.status["resources"] = [{**one, "version": "v1", "status": "OutOfSync"}]
    told = ARGO.find_drift(app_run(there))
    assert {one.path: one.is_vague for one in told.findings} == {"data.password": True, "type": False}


def test_values_of_argo_cd_lose_what_is_secret(there: Argo) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "web"}}
    sides = [json.dumps({**body, "data": {"password": word}}) for word in ("hunter-two", "hunter-three")]
    one = {"group": "", "kind": "ConfigMap", "namespace": "web", "name": "c"}
    there.managed = [{**one, "predictedLiveState": sides[0], "normalizedLiveState": sides[1]}]
    there.status["sync"]["status"] = "OutOfSync"
    there.status["resources"] = [{**one, "version": "v1", "status": "OutOfSync"}]
    told = ARGO.find_drift(app_run(there))
    assert [one.path for one in told.findings] == ["data.password"]
    assert "hunter" not in repr(told)


def test_another_commit_that_was_brought_out_past_the_portal_is_drift(there: Argo) -> None:
    there.operate(OTHER)
    assert found(app_run(there)) == [("Application web", "told", "revision", COMMIT[:12], OTHER[:12])]
    (one,) = ARGO.find_drift(app_run(there)).findings
    there.operate(f"{OTHER[:12]}{'e' * 28}")
    (other,) = ARGO.find_drift(app_run(there)).findings
    assert (one.found, one.mark("web") == other.mark("web")) == (other.found, False)


def test_an_application_at_a_newer_commit_that_brings_the_same_is_judged_as_at_ours(there: Argo) -> None:
    there.operate(OTHER)
    run = replace(app_run(there), is_as_deployed=OTHER.__eq__)
    told = ARGO.find_drift(run)
    note = f"Argo CD is at {OTHER[:12]}, which contains {COMMIT[:12]}: {BETWEEN}"
    assert (told.findings, told.not_looked[0]) == ((), note)
    there.status["sync"]["status"] = "OutOfSync"
    there.status["resources"] = [resource(status="OutOfSync")]
    told = ARGO.find_drift(run)
    assert ([one.resource for one in told.findings], told.not_looked[0]) == (["Deployment web/web"], note)
    there.status["sync"] = {"status": "Synced", "revision": "e" * 40}
    with pytest.raises(CannotTell, match="its answer is about another commit"):
        ARGO.find_drift(run)


def test_an_answer_about_another_commit_is_no_answer(there: Argo) -> None:
    there.status["sync"] = {"status": "Synced", "revision": OTHER}
    with pytest.raises(CannotTell, match="its answer is about another commit"):
        ARGO.find_drift(app_run(there))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"sync": {"status": "Unknown", "revision": COMMIT}}, "does not know whether it is in sync"),
        ({"operationState": {"phase": "Running", "operation": {}, "startedAt": "2026-01-01T00:00:00Z"}}, "is at work"),
    ],
)
def test_what_argo_cd_does_not_know_is_unknown(there: Argo, state: dict[str, Any], words: str) -> None:
    there.status.update(state)
    with pytest.raises(CannotTell, match=words):
        ARGO.find_drift(app_run(there))


def test_several_sources_and_a_refusal_are_unknown(there: Argo) -> None:
    there.answers["GET web"] = [(403, f"no {TOKEN}")]
    with pytest.raises(Unavailable) as refused:
        ARGO.find_drift(app_run(there))
    assert TOKEN not in str(refused.value)
    there.app["spec"]["sources"] = [{"repoURL": "https://git.example.org/a"}]
    with pytest.raises(CannotTell, match="several sources"):
        ARGO.find_drift(app_run(there))


def test_a_kustomization_that_is_ready_at_the_commit_is_in_sync(flux: Flux) -> None:
    told = FLUX.find_drift(flux_run(flux))
    assert (told.findings, told.problems) == ((), ())
    assert "Flux names no single fields" in told.not_looked[0]
    assert flux.cluster.changes() == []


def test_a_kustomization_at_a_newer_commit_that_brings_the_same_is_in_sync(flux: Flux) -> None:
    flux.reconcile(OTHER)
    told = FLUX.find_drift(replace(flux_run(flux), is_as_deployed=OTHER.__eq__))
    assert told.findings == ()
    assert told.not_looked[0] == f"Flux is at {OTHER[:12]}, which contains {COMMIT[:12]}: {BETWEEN}"
    flux.reconcile(OTHER, ready="False")
    with pytest.raises(CannotTell, match="not ready"):
        FLUX.find_drift(replace(flux_run(flux), is_as_deployed=OTHER.__eq__))


def test_a_kustomization_at_a_commit_that_brings_something_else_has_drifted(flux: Flux) -> None:
    flux.reconcile(OTHER)
    (finding,) = FLUX.find_drift(flux_run(flux)).findings
    assert (finding.resource, finding.path) == ("Kustomization flux-system/all-apps", "revision")
    assert (finding.wanted, finding.found) == (COMMIT[:12], OTHER[:12])


def test_flux_that_is_suspended_not_ready_or_behind_does_not_know(flux: Flux) -> None:
    flux.reconcile(COMMIT, ready="False", message=f"health check failed {TOKEN}")
    with pytest.raises(CannotTell, match="not ready, so Flux does not know: health check failed") as problem:
        FLUX.find_drift(flux_run(flux))
    assert TOKEN not in str(problem.value)
    flux.reconcile(COMMIT)
    flux.kustomization["metadata"]["generation"] = 2
    with pytest.raises(CannotTell, match="has not acted on that yet"):
        FLUX.find_drift(flux_run(flux))
    flux.kustomization["spec"]["suspend"] = True
    with pytest.raises(CannotTell, match="is suspended"):
        FLUX.find_drift(flux_run(flux))


def test_flux_that_names_no_commit_or_is_not_there_does_not_know(flux: Flux) -> None:
    flux.kustomization["status"]["lastAppliedRevision"] = "1.2.3"
    with pytest.raises(CannotTell, match="does not say which commit"):
        FLUX.find_drift(flux_run(flux))
    with pytest.raises(CannotTell, match="there is none of that name"):
        FLUX.find_drift(flux_run(flux, kustomization="nothing"))
