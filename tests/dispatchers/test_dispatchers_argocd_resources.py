"""What is shown of an application: the resources of Git, and beneath those that are not healthy the reason."""

from __future__ import annotations

from typing import Any

import pytest

from apps.deployments.dispatchers.argo_application import Application
from apps.deployments.dispatchers.argo_resources import MOST_BENEATH, resources
from tests.support.argo import description, problems_of, resource
from tests.support.dispatching import run_for

WEB = {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web"}
SET = {"group": "apps", "kind": "ReplicaSet", "namespace": "web", "name": "web-1"}


def node(place: dict[str, str], health: str, message: str = "", parent: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {**place, "health": {"status": health, "message": message}}
    if parent:
        found["parentRefs"] = [parent]
    assert problems_of(description()["definitions"]["v1alpha1ResourceNode"], found) == []
    return found


def pod(name: str) -> dict[str, str]:
    return {"kind": "Pod", "namespace": "web", "name": name}


def shown(*nodes: dict[str, Any]) -> list[tuple[str, str, str]]:
    app = Application(run_for("argocd", "https://argo", {}), {"status": {"resources": [resource(), resource("other")]}})
    return [(f"{one.kind} {one.name}", one.health, one.message) for one in resources(app, list(nodes))]


def test_the_pod_that_cannot_pull_its_image_is_named_beneath_its_deployment() -> None:
    assert shown(
        node(WEB, "Progressing", "waiting"),
        node(SET, "Progressing", parent=WEB),
        node(pod("web-1-a"), "Degraded", "ImagePullBackOff", SET),
        node(pod("web-1-b"), "Healthy", parent=SET),
    ) == [
        ("Deployment web", "progressing", "waiting"),
        ("ReplicaSet web-1", "progressing", ""),
        ("Pod web-1-a", "degraded", "ImagePullBackOff"),
        ("Deployment other", "unknown", ""),
    ]


def test_beneath_what_is_healthy_nothing_is_told() -> None:
    found = shown(node(WEB, "Healthy"), node(SET, "Healthy", parent=WEB), node(pod("x"), "Degraded", "Error", SET))
    assert found == [("Deployment web", "healthy", ""), ("Deployment other", "unknown", "")]


def test_what_has_no_health_is_well_where_it_exists_or_argo_says_so_of_the_whole() -> None:
    settings = {"kind": "ConfigMap", "namespace": "web", "name": "settings", "status": "Synced"}
    nodes = [node(WEB, "Healthy"), {key: settings[key] for key in ("kind", "namespace", "name")}]
    for word, tree, found in (
        ("Progressing", nodes, "healthy"),
        ("Healthy", [], "healthy"),
        ("Progressing", [], "unknown"),
    ):
        status = {"resources": [settings], "health": {"status": word}}
        app = Application(run_for("argocd", "https://argo", {}), {"status": status})
        assert [one.health for one in resources(app, tree)] == [found]


def test_of_a_thousand_pods_some_are_told() -> None:
    found = shown(node(WEB, "Degraded"), *(node(pod(f"p{number}"), "Degraded", parent=WEB) for number in range(1000)))
    assert len(found) == 2 + MOST_BENEATH


@pytest.mark.parametrize("parent", [pod("x"), pod("nowhere")])
def test_a_tree_that_is_none_ends(parent: dict[str, str]) -> None:
    assert shown(node(pod("x"), "Degraded", parent=parent)) == [
        ("Deployment web", "unknown", ""),
        ("Deployment other", "unknown", ""),
    ]
