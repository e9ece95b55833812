"""A Job that there can be only once, and when things of a cluster are healthy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.deployments.dispatchers import InDoubt, Refused, Run, RunState
from apps.deployments.dispatchers.kube_health import health
from apps.deployments.dispatchers.kube_resources import owner_of
from tests.support.clusters import K8S, terminated
from tests.support.dispatching import log_of, look, run_for, sent
from tests.support.kube import Kube, kube


@pytest.fixture
def there() -> Iterator[Kube]:
    with kube() as found:
        yield found


def job_at(there: Kube, **options: Any) -> Run:
    return run_for("kubernetes", there.url, {"namespace": "web", "job": {"image": "tool:1"}, **options})


def begun_job(there: Kube) -> tuple[Run, str]:
    run, _ = look(K8S, job_at(there))
    [(_, _, name)] = [key for key in there.objects if key[0] == "jobs"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p1", "labels": {"job-name": name}}}
    there.answer("POST", "/api/v1/namespaces/web/pods", {}, pod, "")
    return run, name


def test_a_job_that_completes_succeeds_with_its_log(there: Kube) -> None:
    run, name = begun_job(there)
    there.logs["p1"] = b"one\ntwo\n" * 20
    there.status(
        "pods",
        "p1",
        {"containerStatuses": [{"name": "job", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
    )
    run, progress = look(K8S, run)
    assert [(step.name, step.state) for step in progress.steps] == [("job", "running")]
    assert log_of(K8S, run, "pod-p1") == "one\ntwo\n" * 20
    there.status("pods", "p1", terminated(0))
    there.status("jobs", name, {"conditions": [{"type": "Complete", "status": "True"}]})
    _, progress = look(K8S, run)
    assert progress.outcome == "succeeded"
    assert progress.steps[0].is_success


def test_a_job_that_fails_says_why(there: Kube) -> None:
    run, name = begun_job(there)
    there.status("pods", "p1", terminated(3))
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit",
    }
    there.status("jobs", name, {"conditions": [failed]})
    _, progress = look(K8S, run)
    assert (progress.outcome, progress.steps[0].exit_code) == ("failed", 3)
    assert "backoff limit" in progress.problem


def test_a_pod_that_ended_well_is_no_end_of_the_job(there: Kube) -> None:
    run, _ = begun_job(there)
    there.status("pods", "p1", terminated(0))
    assert look(K8S, run)[1].state == RunState.RUNNING


def test_a_lost_answer_to_a_job_is_found_by_its_name(there: Kube) -> None:
    there.drop = "POST"
    run = sent(job_at(there))
    with pytest.raises(InDoubt):
        K8S.dispatch(run)
    _, progress = look(K8S, run)
    assert progress.state == RunState.RUNNING
    assert len([key for key in there.objects if key[0] == "jobs"]) == 1


def test_a_job_that_is_gone_is_never_made_again(there: Kube) -> None:
    run, name = begun_job(there)
    del there.objects["jobs", "web", name]
    _, progress = look(K8S, run)
    assert progress.state == RunState.LOST
    _, progress = look(K8S, sent(job_at(there), seconds_ago=61))
    assert progress.state == RunState.LOST
    assert not [key for key in there.objects if key[0] == "jobs"]


def test_another_job_of_our_name_ends_nothing(there: Kube) -> None:
    run, name = begun_job(there)
    there.status("jobs", name, {"conditions": [{"type": "Complete", "status": "True"}]})
    there.objects["jobs", "web", name]["metadata"]["uid"] = "another"
    assert look(K8S, run)[1].state == RunState.LOST


def test_a_job_that_is_cancelled_ends_only_when_its_pods_are_gone(there: Kube) -> None:
    run, name = begun_job(there)
    run, progress = look(K8S, replace(run, is_cancelled=True))
    assert (progress.state, progress.text) == (RunState.RUNNING, "The job is deleted; its pods are stopped.")
    failed = {"type": "Failed", "status": "True", "message": "its pod was killed"}
    there.status("jobs", name, {"conditions": [failed]})
    assert look(K8S, run)[1].state == RunState.RUNNING
    assert len([method for method, _ in there.requests if method == "DELETE"]) == 1
    for key in (("pods", "web", "p1"), ("jobs", "web", name)):
        del there.objects[key]
    assert look(K8S, run)[1].outcome == "cancelled"


def test_a_job_that_is_deleted_and_does_not_go_is_unknown(there: Kube) -> None:
    run, name = begun_job(there)
    there.objects["jobs", "web", name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    _, progress = look(K8S, replace(run, is_cancelled=True))
    assert progress.state == RunState.LOST
    assert "its pods may still work" in progress.problem


def test_cancelling_a_job_of_others_deletes_nothing(there: Kube) -> None:
    run, name = begun_job(there)
    there.objects["jobs", "web", name]["metadata"]["annotations"] = {}
    look(K8S, replace(run, is_cancelled=True))
    assert ("jobs", "web", name) in there.objects


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"image": 3},
        {"image": "a", "command": "rm"},
        {"image": "a", "env": {"a": []}},
        {"image": "a", "privileged": True},
        {"image": "a", "backoffLimit": -1},
    ],
)
def test_a_job_that_cannot_be_run_is_refused(there: Kube, job: Any) -> None:
    with pytest.raises(Refused, match="portal"):
        K8S.dispatch(job_at(there, job=job or {"command": ["x"]}))
    assert there.requests == []


CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"generation": 1}}
READY = {"apiVersion": "x.org/v1", "kind": "Thing", "metadata": {"generation": 2}}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (None, "missing"),
        (CLAIM | {"status": {"phase": "Bound"}}, "healthy"),
        (CLAIM | {"status": {"phase": "Pending"}}, "progressing"),
        (CLAIM | {"status": {"phase": "Lost"}}, "degraded"),
        (READY, "healthy"),
        (READY | {"status": {"observedGeneration": 1}}, "progressing"),
        (READY | {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, "progressing"),
        (READY | {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, "progressing"),
        (READY | {"status": {"conditions": [{"type": "Stalled", "status": "True", "message": "x"}]}}, "degraded"),
        (READY | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "healthy"),
        (READY | {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "progressing"),
        ({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 1}}, "progressing"),
        ({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {}, "spec": {}}, "progressing"),
        ({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": {}}, "progressing"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": {"phase": "Running"}}, "progressing"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": {"phase": "Failed"}}, "degraded"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": "x", "status": []}, "progressing"),
    ],
)
def test_health_follows_the_rules_of_kstatus(body: Any, word: str) -> None:
    assert health(body)[0] == word


def test_the_label_is_one_that_kubernetes_takes_and_only_of_this_environment(there: Kube) -> None:
    run = job_at(there)
    names = [
        owner_of(replace(run, environment={"PORTAL_REPOSITORY": r, "PORTAL_ENVIRONMENT": e}))
        for r, e in (("a-b", "c"), ("a", "b-c"), ("Ünï/" * 40, "…"))
    ]
    assert len(set(names)) == 3
    assert all(len(name) <= 63 and name.isascii() and name[0].isalnum() for name in names)
