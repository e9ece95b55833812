"""Drift of what was applied to a cluster, on the stub and on a real API server: found, named, without secrets, and nothing written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.drift import CannotTell, Finding, of_field
from apps.rendering.model import ABSENT, UNKNOWN, FieldChange
from apps.rendering.redaction import MARK
from tests.support.clusters import K8S, Cluster, config, deployment, succeeded
from tests.support.dispatching import TOKEN, run_for
from tests.support.kube import kube

SECRET: dict[str, Any] = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"password": "aHVudGVyLXR3bw=="},
}  # fmt: skip


def of(cluster: Cluster, run: Run) -> list[tuple[str, ...]]:
    found = K8S.find_drift(run)
    assert not found.problems
    return [
        (one.resource.replace(cluster.namespace, "NS"), one.kind, one.path, one.wanted, one.found)
        for one in found.findings
    ]


def test_what_nobody_touched_is_in_sync_and_a_look_writes_nothing(cluster: Cluster) -> None:
    run = succeeded(cluster.run(config(), deployment(), SECRET))
    before = cluster.get(f"{cluster.inside}/configmaps/one")
    found = K8S.find_drift(run)
    assert (found.findings, found.problems, found.looked_at) == ((), (), 3)
    assert found.not_looked == (
        "Fields that the deployment did not name, and objects that others made, are not compared.",
    )
    assert cluster.get(f"{cluster.inside}/configmaps/one") == before


def test_fields_that_somebody_changed_or_took_are_named_with_both_values(cluster: Cluster) -> None:
    run = succeeded(cluster.run(config(a="1", b="2"), deployment(0)))
    cluster.put(f"{cluster.inside}/configmaps", config(a="9"), force=True)
    apps = cluster.inside.replace("/api/v1", "/apis/apps/v1")
    cluster.put(f"{apps}/deployments", deployment(0, image="web:2"), force=True)
    assert of(cluster, run) == [
        ("ConfigMap NS/one", "field", "data.a", '"1"', '"9"'),
        ("Deployment NS/web", "field", "spec.template.spec.containers[web].image", '"web:1"', '"web:2"'),
    ]
    assert cluster.get(f"{cluster.inside}/configmaps/one")["data"]["a"] == "9"


def test_fields_of_others_beside_ours_are_no_drift(cluster: Cluster) -> None:
    run = succeeded(cluster.run(config(a="1")))
    cluster.put(f"{cluster.inside}/configmaps", config(added="by somebody"))
    assert of(cluster, run) == []


def test_what_is_gone_or_was_made_anew_by_somebody_is_told_apart(cluster: Cluster) -> None:
    run = succeeded(cluster.run(config("one"), config("two")))
    for name in ("one", "two"):
        cluster.client.delete(f"{cluster.inside}/configmaps/{name}")
    cluster.put(f"{cluster.inside}/configmaps", config("two"))
    assert of(cluster, run) == [
        ("ConfigMap NS/one", "missing", "", "there", "gone"),
        (
            "ConfigMap NS/two",
            "another",
            "",
            "the object that was deployed",
            "another object of that name, which somebody made",
        ),
    ]


def test_a_secret_that_differs_is_known_by_fingerprints_alone(cluster: Cluster) -> None:
    run = succeeded(cluster.run(SECRET))
    other = {**SECRET, "data": {"password": "aHVudGVyLXRocmVl"}}
    cluster.put(f"{cluster.inside}/secrets", other, force=True)
    (finding,) = K8S.find_drift(run).findings
    assert finding.path == "data.password"
    assert MARK in finding.wanted
    assert MARK in finding.found
    assert finding.wanted != finding.found
    assert not any(word in repr(finding) for word in ("hunter", "aHVudGVy"))


def test_what_cannot_be_compared_is_a_problem_and_never_in_sync() -> None:
    with kube() as there:
        run = succeeded(Cluster(there.url, "").run(config("one"), config("two")))
        there.answers["PATCH configmaps"] = [403]
        found = K8S.find_drift(run)
        assert found.findings == ()
        assert [text.partition(" could")[0].split("/")[-1] for text in found.problems] == ["ConfigMap one"]
        assert TOKEN not in repr(found)
        there.answers["PATCH configmaps"] = [503]
        with pytest.raises(Unavailable):
            K8S.find_drift(run)


def test_a_cluster_that_is_not_there_or_knows_the_token_no_more_says_nothing_about_drift() -> None:
    with kube() as there:
        run = succeeded(Cluster(there.url, "").run(config()))
        assert run.outside is not None
        stranger = replace(run, outside=replace(run.outside, credentials={"token": "another"}))
        found = K8S.find_drift(stranger)
        assert found.findings == ()
        assert "does not accept the token" in found.problems[0]
    with pytest.raises(Unavailable):
        K8S.find_drift(run)


def test_a_job_and_an_empty_rendering_cannot_be_compared() -> None:
    with pytest.raises(CannotTell, match="What a Job did"):
        K8S.find_drift(run_for("kubernetes", "http://127.0.0.1:1", {"job": {"image": "tool:1"}}))
    with pytest.raises(CannotTell, match="renders nothing"):
        K8S.find_drift(run_for("kubernetes", "http://127.0.0.1:1", {"target": "web"}))


def test_another_value_is_another_finding() -> None:
    one = Finding("ConfigMap web/one", "field", "data.a", '"1"', '"9"')
    assert one.mark("web") != replace(one, found='"8"').mark("web")
    assert one.mark("web") != one.mark("other")
    assert one.mark("web") == replace(one).mark("web")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 3000 + "a", "x" * 3000 + "b"),
        ("a b", "a  b"),
        ("a\u00a0b", "a\u2007b"),
        (ABSENT, "nothing"),
        ([1], "[1]"),
        ({"a": "x" * 3000}, {"a": "x" * 3001}),
    ],
)
def test_another_value_of_the_same_words_is_another_finding(one: Any, other: Any) -> None:
    accepted, later = (of_field("ConfigMap web/one", FieldChange(("data", "a"), "1", found)) for found in (one, other))
    assert accepted.mark("web") != later.mark("web")
    assert accepted.mark("web") == of_field("ConfigMap web/one", FieldChange(("data", "a"), "1", one)).mark("web")
    assert not accepted.is_vague


def test_another_path_of_the_same_words_is_another_finding_and_what_nobody_knows_is_vague() -> None:
    paths = ("x" * 400 + end for end in "ab")
    assert len({of_field("ConfigMap web/one", FieldChange(("data", path), 1, 2)).mark("web") for path in paths}) == 2
    assert of_field("ConfigMap web/one", FieldChange(("data", "a"), 1, UNKNOWN)).is_vague
