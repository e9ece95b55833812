"""The resources of an application of Argo CD with their health, and what beneath those that are not healthy says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.deployments.dispatchers import ResourceState
from apps.deployments.dispatchers.argo_application import Application
from apps.deployments.dispatchers.remote import listed, mapping

SYNCED = {"Synced": "synced", "OutOfSync": "out_of_sync"}
HEALTH = {
    "Healthy": "healthy",
    "Progressing": "progressing",
    "Degraded": "degraded",
    "Missing": "missing",
    "Suspended": "suspended",
}
MOST_BENEATH = 20
"""Children that are told of one resource: the first pods of a roll-out say what all of them would."""
MOST_STEPS_UP = 20


def resources(app: Application, nodes: list[dict[str, Any]]) -> tuple[ResourceState, ...]:
    """Those that Git names; where one is not healthy, what is not healthy beneath it in the tree (a pod with its reason).

    ``nodes``: the resource tree. Newer versions keep the health of resources only there. What has none there is of a kind
    without any, such as a ConfigMap, and well when it exists; without the tree the application's word says so. What is not
    well beneath a healthy resource, such as a pod of a job that was tried again, is nobody's concern.
    """
    known = {_identity(node): mapping(node.get("health")) for node in nodes}
    beneath = _unwell_beneath(nodes)
    found: list[ResourceState] = []
    for one in listed(app.status.get("resources")):
        place = _identity(one)
        told = mapping(one.get("health")) or known.get(place, {})
        has_none = not told.get("status") and (place in known or app.health == "Healthy")
        state = _state(app, one, {"status": "Healthy"} if has_none else told)
        found.append(state)
        if state.health not in {"healthy", "unknown"}:
            children = beneath.get(place, [])[:MOST_BENEATH]
            found += [_state(app, child, mapping(child.get("health"))) for child in children]
    return tuple(found)


def _state(app: Application, one: Mapping[str, Any], health: Mapping[str, Any]) -> ResourceState:
    return ResourceState(
        app.words(one.get("kind")),
        app.words(one.get("name")),
        app.words(one.get("namespace")),
        app.words(one.get("group")),
        sync=SYNCED.get(str(one.get("status")), "unknown"),
        health=HEALTH.get(str(health.get("status")), "unknown"),
        message=app.words(health.get("message")),
    )


def _identity(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get(key) or "") for key in ("group", "kind", "namespace", "name"))


def _unwell_beneath(nodes: list[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Root of the tree → its descendants that have a health and are not healthy."""
    by_identity = {_identity(node): node for node in nodes}
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for node in nodes:
        if str(mapping(node.get("health")).get("status") or "Healthy") != "Healthy":
            above = list(_ancestors(node, by_identity))
            if above:
                found.setdefault(above[-1], []).append(node)
    return found


def _ancestors(node: Mapping[str, Any], by_identity: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Iterator[Any]:
    """From the parent to the root; of several parents the first, and no further than any real tree goes."""
    for _ in range(MOST_STEPS_UP):
        parents = listed(node.get("parentRefs"))
        if not parents:
            return
        place = _identity(parents[0])
        yield place
        node = by_identity.get(place, {})
