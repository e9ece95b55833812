"""A Flux ``HelmRelease``: its chart, as far as it is in the repository or the cache, and its values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from apps.rendering import charts, kubernetes, packed
from apps.rendering.flux_charts import Chart, chart_of, merged
from apps.rendering.flux_kustomizations import prepared
from apps.rendering.flux_sources import HELM_GROUP, Sources, is_a, mapping, mappings, text
from apps.rendering.model import Failure, Json, RenderError, Resource
from apps.rendering.protocol import Tree
from apps.rendering.renderers import helm, kustomize
from apps.rendering.toolbox import Toolbox
from apps.rendering.views import Nothing, WithFiles
from apps.rendering.yaml_reader import documents

_LONGEST_NAME = 53


@dataclass(frozen=True, slots=True)
class Rules:
    """What the target says about charts."""

    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendering:
    tree: Tree
    resources: tuple[Resource, ...]
    warnings: tuple[str, ...]
    inputs: frozenset[str]


_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")  # as Helm reads --set: 007 stays a text


def render(
    release: Resource, resources: Iterable[Resource], sources: Sources, rules: Rules, toolbox: Toolbox
) -> Rendering:
    """What the release installs. Raises ``RenderError`` where its chart or its values are not here."""
    spec, known = mapping(release.body.get("spec")), list(resources)
    chart = chart_of(release, known, sources, toolbox)
    values, warnings = _values(spec, release, known)
    asked = helm.Release(
        chart=chart.place,
        name=_name(spec, release),
        namespace=text(spec.get("targetNamespace")) or release.id.namespace,
        given=json.dumps(values).encode() if values else b"",
        kube_version=rules.kube_version,
        api_versions=rules.api_versions,
        include_crds=mapping(spec.get("install")).get("crds") != "Skip",
    )
    placed, said = helm.template(chart.tree, asked, toolbox)
    if chart.source:
        placed = tuple(replace(each, source=chart.source) for each in placed)
    for renderer in mappings(spec.get("postRenderers")):
        placed = _post_rendered(placed, mapping(renderer.get("kustomize")), toolbox)
    found = kubernetes.resources(placed, asked.namespace)
    read = charts.read_chart(chart.tree, chart.place, None).inputs if _is_of_repository(chart) else set()
    return Rendering(chart.tree, found, (*warnings, *said), chart.read | read)


def _is_of_repository(chart: Chart) -> bool:
    return chart.source is None and not chart.place.endswith(packed.SUFFIXES)


def _name(spec: Mapping[str, Json], release: Resource) -> str:
    if text(spec.get("releaseName")):
        return text(spec["releaseName"])
    space = text(spec.get("targetNamespace"))
    name = f"{space}-{release.id.name}" if space else release.id.name
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _values(
    spec: Mapping[str, Json], release: Resource, resources: list[Resource]
) -> tuple[dict[str, Json], list[str]]:
    """Merged as the controller does: those of ``valuesFrom`` in order, then those of the release."""
    values: dict[str, Json] = {}
    warnings: list[str] = []
    maps = {
        each.id.name: each
        for each in resources
        if each.id.kind == "ConfigMap" and each.id.namespace == release.id.namespace
    }
    for reference in mappings(spec.get("valuesFrom")):
        kind, name = text(reference.get("kind")), text(reference.get("name"))
        key, path = text(reference.get("valuesKey")) or "values.yaml", text(reference.get("targetPath"))
        held = mapping(maps[name].body.get("data")) if kind == "ConfigMap" and name in maps else {}
        if key not in held:
            warnings.append(
                f"Values of {release.id} come from {kind} {name}, which is not known here; it is rendered without them."
            )
            continue
        values = merged(values, _at(path, text(held[key])) if path else _mapping_of(text(held[key]), name))
    return merged(values, mapping(spec.get("values"))), warnings


def _at(path: str, value: str) -> dict[str, Json]:
    parts = path.split(".")
    if not all(parts) or any(set(part) & set("[]\\{},=") for part in parts):
        raise RenderError(Failure.UNSUPPORTED, f"The targetPath {path[:80]} is more than a row of names.")
    found: Json
    found = value
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        found = value[1:-1]
    elif set(value) & set(",{}\\"):
        text_ = f"The value for the targetPath {path[:80]} has , {{ }} or a backslash, which Helm reads as more than one value."
        raise RenderError(Failure.UNSUPPORTED, text_)
    elif (_INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63) or value in {"true", "false", "null"}:
        found = next((document.value for document in documents(value.encode())), None)
    for part in reversed(parts):
        found = {part: found}
    return dict(found)


def _mapping_of(value: str, name: str) -> dict[str, Json]:
    found: Json = next((document.value for document in documents(value.encode())), {})
    if not isinstance(found, dict):
        raise RenderError(Failure.TEMPLATE, f"The values in ConfigMap {name} are no mapping.")
    return found


def _post_rendered(
    placed: Iterable[kubernetes.Placed], patches: Mapping[str, Json], toolbox: Toolbox
) -> tuple[kubernetes.Placed, ...]:
    """Patches of the release over everything but hooks and definitions, which the controller leaves alone, too."""
    kept: list[kubernetes.Placed] = []
    changed: list[kubernetes.Placed] = []
    for each in placed:
        annotations = mapping(mapping(mapping(each.value).get("metadata")).get("annotations"))
        is_left = "helm.sh/hook" in annotations or mapping(each.value).get("kind") == "CustomResourceDefinition"
        (kept if is_left else changed).append(each)
    text_of = "".join(f"---\n{json.dumps(each.value)}\n" for each in changed)
    given = {"all.yaml": text_of.encode(), "kustomization.yaml": b"resources: [all.yaml]\n"}
    built = kustomize.build(prepared(WithFiles(Nothing(), given), "", patches), "", toolbox)
    sources = {_identity(each.value): each.source for each in changed}
    return (*kept, *(replace(each, source=sources.get(_identity(each.value))) for each in built.placed))


def _identity(value: Json) -> tuple[Json, Json, Json]:
    metadata = mapping(mapping(value).get("metadata"))
    return mapping(value).get("kind"), metadata.get("namespace"), metadata.get("name")


def is_release(resource: Resource) -> bool:
    return is_a(resource, HELM_GROUP, "HelmRelease")
