"""Reading bodies that may hold anything: what is not of the wanted kind is not there."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.model import Json

_SHOWN = 120
_PODS = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("template", "spec"),
    ("spec",),
)


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
    """A name in a sentence, cut where it is too long for one."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def pod_spec(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """What the pods of a workload are made from, in custom resources too that have it at a usual place; else empty."""
    for way in _PODS:
        found = mapping_at(body, *way)
        if isinstance(found.get("containers"), list):
            return found
    return {}


def pod_annotations(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """The annotations of the pods of a workload, which stand beside what they are made from."""
    for way in _PODS:
        if isinstance(mapping_at(body, *way).get("containers"), list):
            return mapping_at(body, *way[:-1], "metadata", "annotations")
    return {}


def containers(spec: Mapping[str, Json]) -> list[tuple[str, Mapping[str, Json]]]:
    """All containers of a pod, also those that run before the others, by name."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [(shown(one.get("name", "")), one) for kind in kinds for one in mappings_at(spec, kind)]
