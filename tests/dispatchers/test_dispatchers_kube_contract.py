"""What the stub and a real API server have in common: applied, refused, pruned and made once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Refused, Run, RunState
from apps.deployments.dispatchers.kube_resources import LABEL, owner_of
from apps.deployments.dispatchers.kubernetes import test as try_connection
from tests.support.clusters import K8S, Cluster, config, deployment, finished, ledger, succeeded
from tests.support.dispatching import log_of, look, sent


def test_resources_are_tried_applied_and_waited_for(cluster: Cluster) -> None:
    run, progress = finished(cluster.run(config(), deployment()))
    assert progress.outcome == "succeeded", progress
    assert [(step.name, step.is_success) for step in progress.steps] == [
        ("check", True),
        ("apply", True),
        ("wait until healthy", True),
    ]
    live = cluster.get(f"{cluster.inside}/configmaps/one")
    assert live["data"] == {"a": "1"}
    assert live["metadata"]["labels"] == {LABEL: owner_of(run)}
    assert log_of(K8S, run, "check").splitlines() == [
        f"ConfigMap {cluster.namespace}/one: would be created",
        f"Deployment {cluster.namespace}/web: would be created",
    ]
    assert "ConfigMap" in log_of(K8S, run, "apply")
    assert {(one.kind, one.health, one.sync) for one in progress.resources} == {
        ("ConfigMap", "healthy", "synced"),
        ("Deployment", "healthy", "synced"),
    }


def test_what_changes_is_shown_and_secrets_are_not(cluster: Cluster) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"password": "hunter-the-second"},
    }
    succeeded(cluster.run(config(), secret, config("two")))
    run = succeeded(
        cluster.run(config(a="2"), secret | {"stringData": {"password": "hunter-the-third"}}, config("two"))
    )
    log = log_of(K8S, run, "check")
    assert 'data.a: "1" → "2"' in log
    assert f"ConfigMap {cluster.namespace}/two: unchanged" in log
    assert f"Secret {cluster.namespace}/s: would change" in log
    assert "hunter" not in json.dumps(run.external)
    assert "aHVudGVy" not in json.dumps(run.external)


def test_fields_of_another_manager_are_not_taken_and_nothing_is_written(cluster: Cluster) -> None:
    cluster.put(f"{cluster.inside}/configmaps", config("two", a="theirs"), "helm")
    _, progress = finished(cluster.run(config("one"), config("two", a="ours")))
    assert progress.outcome == "failed"
    assert (
        f"ConfigMap {cluster.namespace}/two: another manager owns fields of it: helm has .data.a." in progress.problem
    )
    assert "Nothing was applied" in progress.problem
    assert cluster.get(f"{cluster.inside}/configmaps/one")["code"] == 404
    assert cluster.get(f"{cluster.inside}/configmaps/two")["data"] == {"a": "theirs"}


def test_one_that_the_server_refuses_leaves_everything_as_it_is(cluster: Cluster) -> None:
    _, progress = finished(cluster.run(config(), deployment("many")))
    assert progress.outcome == "failed"
    assert "Deployment" in progress.problem
    assert cluster.get(f"{cluster.inside}/configmaps/one")["code"] == 404


def test_applying_the_same_again_changes_nothing(cluster: Cluster) -> None:
    succeeded(cluster.run(config(), deployment()))
    before = cluster.get(f"{cluster.inside}/configmaps/one")["metadata"]
    run = succeeded(cluster.run(config(), deployment()))
    assert cluster.get(f"{cluster.inside}/configmaps/one")["metadata"]["uid"] == before["uid"]
    assert "unchanged" in log_of(K8S, run, "check")


def test_a_namespace_and_what_goes_into_it_can_come_together(cluster: Cluster) -> None:
    name = f"{cluster.namespace}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    succeeded(cluster.run(config(namespace=name), space))
    assert cluster.get(f"/api/v1/namespaces/{name}/configmaps/one")["data"] == {"a": "1"}
    cluster.client.delete(f"/api/v1/namespaces/{name}")


def test_a_definition_and_a_resource_of_it_can_come_together(cluster: Cluster) -> None:
    group = f"{cluster.namespace}.example.org"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": spec,
    }
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"a": 1}}
    _, progress = finished(cluster.run(thing, definition))
    assert progress.outcome == "succeeded", progress
    assert cluster.get(f"/apis/{group}/v1/namespaces/{cluster.namespace}/things/one")["spec"] == {"a": 1}
    cluster.client.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}")


def test_only_what_the_last_deployment_applied_and_is_still_ours_is_pruned(cluster: Cluster) -> None:
    cluster.put(f"{cluster.inside}/configmaps", config("foreign"))
    first = succeeded(cluster.run(config("one"), config("two"), config("three"), config("four")))
    cluster.client.delete(f"{cluster.inside}/configmaps/three")
    cluster.put(f"{cluster.inside}/configmaps", config("three"))  # made anew by somebody: another uid
    labels = {"metadata": {"labels": {LABEL: "another-environment"}}}
    merge = {"Content-Type": "application/apply-patch+yaml"}
    taken = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "four", **labels["metadata"]}}
    forced = {"fieldManager": "somebody", "force": "true"}
    cluster.client.patch(f"{cluster.inside}/configmaps/four", content=json.dumps(taken), headers=merge, params=forced)
    run = succeeded(cluster.run(config("one"), before=ledger(first), prune=True))
    log = log_of(K8S, run, "prune")
    assert f"ConfigMap {cluster.namespace}/two: deleted" in log
    assert f"ConfigMap {cluster.namespace}/three: kept, somebody made it anew" in log
    assert f"ConfigMap {cluster.namespace}/four: kept, it has no longer the label of this environment" in log
    found = {
        name: cluster.get(f"{cluster.inside}/configmaps/{name}").get("code")
        for name in ("foreign", "one", "two", "three", "four")
    }
    assert found == {"foreign": None, "one": None, "two": 404, "three": None, "four": None}


def test_what_others_own_is_taken_only_from_whom_the_policy_names(cluster: Cluster) -> None:
    path = f"{cluster.inside}/configmaps"
    cluster.put(path, config(a="1"), "helm")
    _, progress = finished(cluster.run(config(a="2")))
    assert (progress.outcome, "helm has .data.a" in progress.problem) == ("failed", True), progress
    assert "takeOver" in progress.problem
    _, progress = finished(cluster.run(config(a="2"), takeOver=["kubectl-client-side-apply"]))
    assert progress.outcome == "failed"
    assert cluster.get(f"{path}/one")["data"] == {"a": "1"}
    run = succeeded(cluster.run(config(a="2"), takeOver=["helm"]))
    assert "is taken over: helm has .data.a" in log_of(K8S, run, "check")
    assert cluster.get(f"{path}/one")["data"] == {"a": "2"}
    succeeded(cluster.run(config(a="3")))  # it is ours now


def test_of_two_owners_both_must_be_named(cluster: Cluster) -> None:
    path = f"{cluster.inside}/configmaps"
    cluster.put(path, config(a="1"), "helm")
    cluster.put(path, config(b="1"), "somebody")
    _, progress = finished(cluster.run(config(a="2", b="2"), takeOver=["helm"]))
    assert (progress.outcome, "somebody has .data.b" in progress.problem) == ("failed", True), progress
    assert cluster.get(f"{path}/one")["data"] == {"a": "1", "b": "1"}
    succeeded(cluster.run(config(a="2", b="2"), takeOver=["helm", "somebody"]))


def test_without_prune_nothing_is_deleted(cluster: Cluster) -> None:
    first = succeeded(cluster.run(config("one"), config("two")))
    succeeded(cluster.run(config("one"), before=ledger(first)))
    assert cluster.get(f"{cluster.inside}/configmaps/two")["data"] == {"a": "1"}


def job_run(cluster: Cluster, **job: Any) -> Run:
    run = cluster.run(job={"image": "tool:1", "command": ["./deploy"], **job})
    return replace(run, options={key: value for key, value in run.options.items() if key != "target"}, to_apply=None)


def jobs_of(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.get(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs")["items"])


def test_a_job_is_made_once_however_often_it_is_asked_for(cluster: Cluster) -> None:
    run = job_run(cluster, env={"REGION": "eu"}, backoffLimit=1)
    first = K8S.dispatch(run)
    assert K8S.dispatch(sent(run)) == first
    [job] = jobs_of(cluster)
    assert job["metadata"]["uid"] == first["uid"]
    assert job["spec"]["backoffLimit"] == 1
    env = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["REGION"], env["PORTAL_KEY"], env["PORTAL_ENVIRONMENT"]) == ("eu", run.key, "staging")
    assert look(K8S, sent(run, **first))[1].state == RunState.RUNNING


def test_a_job_of_the_same_name_that_is_not_ours_is_refused(cluster: Cluster) -> None:
    run = job_run(cluster)
    K8S.dispatch(run)
    other = replace(run, key=run.key[:40] + "f" * 24)
    with pytest.raises(Refused, match="not of this attempt"):
        K8S.dispatch(other)


def test_cancelling_deletes_the_job(cluster: Cluster) -> None:
    run = job_run(cluster)
    run = replace(sent(run, **K8S.dispatch(run)), is_cancelled=True)
    run, _ = look(K8S, run)
    _, progress = finished(run, 10)
    assert progress.outcome == "cancelled"
    assert [one for one in jobs_of(cluster) if not one["metadata"].get("deletionTimestamp")] == []


def test_the_connection_is_tried(cluster: Cluster) -> None:
    run = cluster.run()
    assert run.outside is not None
    assert "It takes the token, and runs Kubernetes v1." in try_connection(run.outside)
    with pytest.raises(Unavailable, match="credentials"):
        try_connection(replace(run.outside, credentials={"token": "wrong"}))
