"""Reading bodies that may hold anything: what is not of the wanted kind is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from apps.core.text import start_of_difference
from apps.rendering.model import Json

_SHOWN, _LED = 120, 20
_PODS = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("template", "spec"),
    ("spec",),
)
_OWN = {
    **dict.fromkeys((("apps", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")), _PODS[:1]),
    ("batch", "Job"): _PODS[:1],
    ("batch", "CronJob"): _PODS[1:2],
    ("", "ReplicationController"): _PODS[:1],
    ("", "PodTemplate"): _PODS[2:3],
    ("", "Pod"): _PODS[3:],
}
"""The only place that the kinds of Kubernetes have: containers that stand elsewhere are thrown away by the server."""


def at(body: Json, *keys: str) -> Json:
    """The value at the end of a way of keys, or ``None``."""
    for key in keys:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def mapping_at(body: Json, *keys: str) -> Mapping[str, Json]:
    found = at(body, *keys)
    return found if isinstance(found, Mapping) else {}


def mappings_at(body: Json, *keys: str) -> list[Mapping[str, Json]]:
    """The elements of a list that are mappings."""
    found = at(body, *keys)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def texts_at(body: Json, *keys: str) -> list[str]:
    """The elements of a list that are texts."""
    found = at(body, *keys)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def text_at(body: Json, *keys: str) -> str:
    found = at(body, *keys)
    return found if isinstance(found, str) else ""


def shown(value: Json) -> str:
    """A name in a sentence, cut where it is too long for one; others read otherwise, also where they begin alike.

    A risk is known by its words: one of a name that was there before must not stand for that of another name.
    """
    text = str(value)
    if len(text) <= _SHOWN:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_SHOWN]}… ({len(text):,} characters, SHA-256 {digest[:12]})"


def shown_apart(before: str, after: str) -> tuple[str, str]:
    """Two long texts without what they begin with alike, but for a few characters before the place where they differ."""
    if max(len(before), len(after)) <= _SHOWN:
        return before, after
    start = start_of_difference(before, after, _LED)
    lead = "…" if start else ""
    return f"{lead}{shown(before[start:])}", f"{lead}{shown(after[start:])}"


def pod_spec(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """What the pods of a workload are made from, in custom resources too that have it at a usual place; else empty."""
    way = _way(body)
    return mapping_at(body, *way) if way else {}


def pod_annotations(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """The annotations of the pods of a workload, which stand beside what they are made from."""
    way = _way(body)
    return mapping_at(body, *way[:-1], "metadata", "annotations") if way else {}


def _way(body: Mapping[str, Json]) -> tuple[str, ...]:
    """Where containers are, empty for nowhere; of a kind that is not known, the first place that has any."""
    ways = _OWN.get((text_at(body, "apiVersion").rpartition("/")[0], text_at(body, "kind")), _PODS)
    lists = [way for way in ways if isinstance(at(body, *way, "containers"), list)]
    filled = [way for way in lists if at(body, *way, "containers")]
    return next(iter((*filled, *lists)), ())


def containers(spec: Mapping[str, Json]) -> list[tuple[str, Mapping[str, Json]]]:
    """All containers of a pod, also those that run before the others, by name."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [(shown(one.get("name", "")), one) for kind in kinds for one in mappings_at(spec, kind)]
