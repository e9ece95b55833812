"""The portal applies to a cluster: tried before written, nothing taken from others, only its own deleted, waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Applied, InDoubt, NotSent, Refused, Run, RunState, ToApply
from apps.deployments.dispatchers.kube_api import KubeApi
from apps.deployments.dispatchers.kube_pruning import brought
from apps.rendering.redaction import redact_value
from tests.support.clusters import HIDE, K8S, applied, config, deployment, finished, ledger, succeeded
from tests.support.dispatching import TOKEN, log_of, look, older, run_for, sent
from tests.support.kube import Kube, kube


@pytest.fixture
def there() -> Iterator[Kube]:
    with kube() as found:
        yield found


def run_at(there: Kube, *bodies: Mapping[str, Any], before: tuple[Applied, ...] = (), **options: Any) -> Run:
    run = run_for("kubernetes", there.url, {"target": "web", "namespace": "web", **options})
    return replace(run, to_apply=ToApply(bodies, "d" * 64, lambda value: redact_value(value, HIDE), before))


def test_all_is_tried_before_the_first_write(there: Kube) -> None:
    succeeded(run_at(there, config("one"), config("two")))
    writes = [path for method, path in there.requests if method == "PATCH"]
    assert ["dryRun=All" in path for path in writes] == [True, True, False, False]
    assert all("force=false" in path for path in writes)


def test_what_is_to_be_written_is_stored_before_it_is(there: Kube) -> None:
    run, progress = look(K8S, run_at(there, config("one"), deployment()))
    assert (progress.state, progress.text, there.changes()) == (RunState.NOT_STARTED, "", [])
    entries = [["v1", "ConfigMap", "web", "one", ""], ["apps/v1", "Deployment", "web", "web", ""]]
    assert run.external["announced"] == entries
    assert brought("check", [], entries) == []
    assert brought("apply", [], entries) == [Applied(*entry) for entry in entries]
    run = succeeded(run)
    stored = [run.external[name] for name in ("stage", "ledger", "announced")]
    assert brought(*stored) == list(ledger(run))
    assert brought("apply", *stored[1:]) == list(ledger(run))


def test_what_comes_with_its_definition_is_stored_before_it_is_written(there: Kube) -> None:
    spec = {"group": "x.org", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"}}
    metadata = {"name": "things.x.org"}
    api = "apiextensions.k8s.io/v1"
    definition = {"apiVersion": api, "kind": "CustomResourceDefinition", "metadata": metadata, "spec": spec}
    thing = {"apiVersion": "x.org/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"a": 1}}
    run, _ = look(K8S, run_at(there, thing, definition))
    assert there.changes() == []
    run, _ = look(K8S, run)
    assert len(there.changes()) == 1
    assert run.external["announced"][-1] == ["x.org/v1", "Thing", "web", "one", ""]
    run = succeeded(run)
    assert len(ledger(run)) == 2


def test_what_was_never_answered_is_pruned_where_label_and_manager_are_ours(there: Kube) -> None:
    run = succeeded(run_at(there, config("one"), config("two"), config("three"), config("four")))
    there.objects["configmaps", "web", "three"]["metadata"]["labels"] = {}
    there.objects["configmaps", "web", "four"]["metadata"]["managedFields"] = [{"manager": "somebody"}]
    unknown = [replace(one, uid="", by="d-2, which was cancelled") for one in ledger(run)]
    others = (Applied("v1", "ConfigMap", "web", "five", ""), Applied("x.org/v1", "Thing", "web", "six", ""))
    run = succeeded(run_at(there, config("one"), before=(*unknown, *others), prune=True))
    assert {name for plural, _, name in there.objects if plural == "configmaps"} == {"one", "three", "four"}
    assert log_of(K8S, run, "prune") == "ConfigMap web/two: deleted; brought by d-2, which was cancelled\n"


def test_what_the_run_itself_applied_is_never_pruned_whatever_its_kind_is_called_now(there: Kube) -> None:
    there.kinds["old/v1"] = {"ConfigMap": ("configmaps", True)}
    before = (Applied("old/v1", "ConfigMap", "web", "one", ""),)
    succeeded(run_at(there, config("one"), before=before, prune=True))
    assert ("configmaps", "web", "one") in there.objects


def test_it_waits_until_a_deployment_is_rolled_out(there: Kube) -> None:
    run, progress = applied(run_at(there, deployment(2)))
    assert (progress.state, progress.text) == (
        RunState.RUNNING,
        "Waiting for Deployment web (its controller has not seen it yet).",
    )
    there.status(
        "deployments", "web", {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    )
    run, progress = look(K8S, run)
    assert progress.text == "Waiting for Deployment web (updated: 1 of 2)."
    there.status(
        "deployments", "web", {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    )
    assert look(K8S, run)[1].outcome == "succeeded"


def test_a_custom_resource_that_is_called_like_a_kind_without_state_is_waited_for(there: Kube) -> None:
    there.kinds["serving.knative.dev/v1"] = {"Service": ("services", True)}
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"a": 1}}
    run, progress = applied(run_at(there, body, config()))
    there.status("services", "web", {"conditions": [{"type": "Ready", "status": "Unknown", "message": "no revision"}]})
    run, progress = look(K8S, run)
    assert (progress.state, progress.text) == (RunState.RUNNING, "Waiting for Service web (no revision).")
    there.status("services", "web", {"conditions": [{"type": "Ready", "status": "True"}]})
    assert look(K8S, run)[1].outcome == "succeeded"


def test_a_roll_out_that_stalls_fails_and_says_what_is_applied(there: Kube) -> None:
    run, _ = applied(run_at(there, config(), deployment(2)))
    stalled = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "timed out progressing",
    }
    there.status("deployments", "web", {"conditions": [stalled]})
    _, progress = look(K8S, run)
    assert progress.outcome == "failed"
    assert progress.problem == "Not healthy: Deployment web (timed out progressing). All 2 resources are applied."


def test_not_healthy_in_time_fails(there: Kube) -> None:
    run, _ = applied(run_at(there, deployment(2), timeout=300))
    _, progress = look(K8S, older(run, 301))
    assert progress.outcome == "failed"
    assert progress.problem.startswith("Not healthy in 5 minutes: Deployment web")


def test_an_object_that_was_deleted_or_made_anew_meanwhile_is_not_healthy(there: Kube) -> None:
    run, _ = applied(run_at(there, deployment(1)))
    there.status(
        "deployments", "web", {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    )
    there.objects["deployments", "web", "web"]["metadata"]["uid"] = "another"
    _, progress = look(K8S, run)
    assert (progress.state, progress.resources[0].health) == (RunState.RUNNING, "missing")


def test_a_worker_that_dies_between_two_writes_leaves_nothing_twice(
    there: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.deployments.dispatchers.kube_apply.SECONDS", 0.0)
    run = run_at(there, config("one"), config("two"))
    with pytest.raises(InDoubt):
        there.drop = "PATCH"
        monkeypatch.setattr("apps.deployments.dispatchers.kube_apply.SECONDS", 5.0)
        K8S.dispatch(replace(run, external={"sent": sent(run).external["sent"], "stage": "apply"}))
    uid = there.objects["configmaps", "web", "one"]["metadata"]["uid"]
    run = succeeded(sent(run, stage="apply"))
    assert there.objects["configmaps", "web", "one"]["metadata"]["uid"] == uid
    assert len(ledger(run)) == 2


def test_each_look_goes_on_where_the_last_one_ended(there: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("apps.deployments.dispatchers.kube_apply.time.monotonic", lambda: next(ticks))
    run, progress = look(K8S, run_at(there, *(config(f"c{number}") for number in range(12))))
    assert progress.state == RunState.NOT_STARTED
    for _ in range(20):
        run, progress = look(K8S, run)
        if progress.state == RunState.ENDED:
            break
    assert progress.outcome == "succeeded"
    assert len(there.changes()) == 12


def test_cancelling_in_the_middle_applies_nothing_more(there: Kube) -> None:
    run = sent(
        run_at(there, config("one"), config("two")),
        stage="apply",
        at=1,
        ledger=[["v1", "ConfigMap", "web", "one", "u"]],
    )
    run, progress = look(K8S, replace(run, is_cancelled=True))
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")
    assert there.changes() == []


def test_cancelling_while_it_waits_keeps_what_is_applied(there: Kube) -> None:
    run, _ = applied(run_at(there, deployment(2)))
    _, progress = look(K8S, replace(run, is_cancelled=True))
    assert progress.outcome == "cancelled"
    assert [step.name for step in progress.steps if step.is_success] == ["check", "apply"]


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_without_rights_fails_before_anything_is_written(there: Kube, status: int) -> None:
    there.answers["PATCH configmaps"] = [status]
    _, progress = look(K8S, run_at(there, config()))
    assert progress.outcome == "failed"
    assert "Nothing was applied" in progress.problem
    assert TOKEN not in progress.problem


@pytest.mark.parametrize(("status", "kind"), [(429, NotSent), (500, InDoubt), (503, InDoubt)])
def test_a_server_in_trouble_is_asked_again(there: Kube, status: int, kind: type[Unavailable]) -> None:
    there.answers["PATCH configmaps"] = [status]
    run = run_at(there, config())
    with pytest.raises(kind):
        K8S.dispatch(sent(run))
    succeeded(sent(run))


def test_one_that_cannot_be_reached_was_sent_nothing() -> None:
    run = run_for("kubernetes", "http://127.0.0.1:9", {"target": "web", "namespace": "web"})
    with pytest.raises(NotSent):
        K8S.dispatch(replace(run, to_apply=ToApply((config(),))))


def test_a_write_at_the_same_moment_is_repeated(there: Kube) -> None:
    run, _ = applied(run_at(there, config("zero")))
    there.answers["PATCH configmaps"] = [409]
    run = sent(run_at(there, config()), stage="apply")
    run, progress = look(K8S, run)
    assert progress.state == RunState.NOT_STARTED
    succeeded(run)


@pytest.mark.parametrize("name", ["../../secrets/x", "a/b", "a?dryRun=All", "%2e%2e", "UPPER"])
def test_a_hostile_name_stays_one_part_of_the_path(there: Kube, name: str) -> None:
    _, progress = look(K8S, run_at(there, config(name)))
    assert progress.outcome == "failed"
    for _, path in there.requests:
        assert path.partition("?")[0].count("/") <= 6
    assert there.changes() == []


def test_a_message_that_quotes_a_secret_is_masked(there: Kube) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "NOT-A-NAME-hunter"}}
    _, progress = look(K8S, run_at(there, secret, config("NOT-A-NAME-hunter")))
    assert progress.outcome == "failed"
    assert "hunter" not in progress.problem


def test_namespaces_are_never_pruned(there: Kube) -> None:
    run, _ = finished(run_at(there, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}}, config()))
    run = succeeded(run_at(there, config(), before=ledger(run), prune=True))
    assert "kept, a Namespace is never pruned" in log_of(K8S, run, "prune")
    assert ("namespaces", "", "extra") in there.objects


def test_an_empty_rendering_deletes_nothing(there: Kube) -> None:
    before = (Applied("v1", "ConfigMap", "web", "one", "u"),)
    with pytest.raises(Refused, match="renders nothing"):
        K8S.dispatch(run_at(there, before=before, prune=True))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}}, "no name of its own"),
        (
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "x", "annotations": {"helm.sh/hook": "pre-install"}},
            },
            "which only Helm runs",
        ),
    ],
)
def test_what_cannot_be_applied_as_approved_is_refused(there: Kube, body: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        K8S.dispatch(run_at(there, body))
    assert there.requests == []


def test_tests_of_a_chart_are_left_out(there: Kube) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "annotations": {"helm.sh/hook": "test"}}}
    run = succeeded(run_at(there, pod, config()))
    assert [entry.kind for entry in ledger(run)] == ["ConfigMap"]


def test_a_kind_that_the_cluster_does_not_know_is_named(there: Kube) -> None:
    _, progress = look(
        K8S, run_at(there, {"apiVersion": "x.example.org/v1", "kind": "Thing", "metadata": {"name": "a"}})
    )
    assert "The cluster knows no Thing of x.example.org/v1" in progress.problem


def test_a_resource_without_a_namespace_is_not_put_somewhere(there: Kube) -> None:
    _, progress = look(K8S, run_at(there, config(), namespace=""))
    assert "names no namespace" in progress.problem


def test_who_comes_in_between_loses_nothing(there: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the owners and the taking, another manager writes: the version is another, and it is tried again."""

    def write(manager: str, body: dict[str, Any]) -> None:
        path = "/api/v1/namespaces/web/configmaps/one"
        there.answer("PATCH", path, {"fieldManager": manager}, body, "application/apply-patch+yaml")

    write("helm", config(a="1"))
    reading = KubeApi.get
    writers = iter(["somebody"])

    def get(self: KubeApi, path: str, **more: Any) -> Any:
        found = reading(self, path, **more)
        if any("dryRun" not in asked and method == "PATCH" for method, asked in there.requests):
            for writer in writers:
                write(writer, config(b="1"))
        return found

    monkeypatch.setattr(KubeApi, "get", get)
    _, progress = finished(run_at(there, config(a="2", b="2"), takeOver=["helm"]))
    assert (progress.outcome, "somebody has .data.b" in progress.problem) == ("failed", True), progress
    assert there.objects["configmaps", "web", "one"]["data"] == {"a": "1", "b": "1"}
