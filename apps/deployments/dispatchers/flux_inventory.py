"""What an object of Flux lists as applied, with the health of the first of it, as far as the account may read that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import ResourceState
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, NoSuchKind
from apps.deployments.dispatchers.kube_health import Health, health
from apps.deployments.dispatchers.remote import listed, mapping, plain

MOST_READ = 100
Judge = Callable[[Mapping[str, Any] | None], Health]


def resources(status: Mapping[str, Any], api: KubeApi, judge: Judge = health) -> tuple[ResourceState, ...]:
    """All that the inventory lists; of what was not read, or may not be, the health is "unknown"."""
    entries = listed(mapping(status.get("inventory")).get("entries"))
    found = []
    for number, entry in enumerate(entries):
        namespace, name, group, kind = _parts(entry)
        word, message = _health(api, entry, judge) if number < MOST_READ else ("unknown", "")
        found.append(ResourceState(plain(kind), plain(name), plain(namespace), plain(group), "synced", word, message))
    return tuple(found)


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
    except (NoSuchKind, Answered, Unavailable):
        return ("unknown", "")
