"""What an object of Flux lists as applied, with its health, as far as the account may read that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import ResourceState
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, NoSuchKind
from apps.deployments.dispatchers.kube_apply import has_no_state
from apps.deployments.dispatchers.kube_health import HEALTHY, Health, health
from apps.deployments.dispatchers.remote import listed, mapping, plain

MOST_READ = 200
NOT_READ = f"only {MOST_READ} of those that it lists are looked at"
Judge = Callable[[Mapping[str, Any] | None], Health]


def resources(
    status: Mapping[str, Any], api: KubeApi, judge: Judge = health, *, is_brief: bool = False
) -> tuple[ResourceState, ...]:
    """All that the inventory lists, each with its health.

    What has a state of its own is looked at first. Of a kind without any, such as a ConfigMap, what is not looked at is well
    because Flux applied it; of others it is "unknown", as of those that may not be read. ``is_brief``: the first kind is enough.
    """
    entries = listed(mapping(status.get("inventory")).get("entries"))
    by_state = sorted(range(len(entries)), key=lambda number: _has_no_state(entries[number]))
    read = set(by_state[:MOST_READ])
    found, why = [], NOT_READ
    for number, entry in enumerate(entries):
        namespace, name, group, kind = _parts(entry)
        if number in read and not (is_brief and _has_no_state(entry)):
            try:
                word, message = _health(api, entry, judge)
            except Unavailable as problem:
                word, message = "unknown", ""
                if problem.code == "outside_silent":  # nobody waits for the same silence two hundred times
                    read, why = set(), "the cluster is silent"
        else:
            word, message = HEALTHY if _has_no_state(entry) and why == NOT_READ else ("unknown", why)
        found.append(ResourceState(plain(kind), plain(name), plain(namespace), plain(group), "synced", word, message))
    return tuple(found)


def _has_no_state(entry: Mapping[str, Any]) -> bool:
    _, _, group, kind = _parts(entry)
    return has_no_state(group, kind)


def _parts(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Of ``NAMESPACE_NAME_GROUP_KIND``; a colon in a name is written as two underlines."""
    parts = str(entry.get("id")).split("_")
    first, *name, group, kind = [""] * (4 - len(parts)) + parts
    return first, "_".join(name).replace("__", ":"), group, kind


def _health(api: KubeApi, entry: Mapping[str, Any], judge: Judge) -> Health:
    namespace, name, group, kind = _parts(entry)
    version = str(entry.get("v") or "v1")
    try:
        place = api.place(f"{group}/{version}" if group else version, kind)
        return judge(api.get(place.one(namespace, name)))
    except (NoSuchKind, Answered):
        return ("unknown", "")
