"""A Flux ``Kustomization``: the kustomization that its controller builds, and the variables that it puts in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping

from apps.rendering import kustomizations
from apps.rendering.flux_sources import mapping, mappings, text
from apps.rendering.model import Failure, Json, RenderError, Resource
from apps.rendering.protocol import GITLINK, Tree
from apps.rendering.substitution import BadSubstitution, Values, substituted
from apps.rendering.views import WithFiles
from apps.rendering.yaml_reader import documents

SWITCH = "kustomize.toolkit.fluxcd.io/substitute"
_SEPARATOR = re.compile(rb"^---\r?\n", re.MULTILINE)
_VARIABLE = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def prepared(tree: Tree, folder: str, spec: Mapping[str, Json]) -> Tree:
    """The tree as the controller changes it before it builds ``folder``: with a kustomization that says everything."""
    path = kustomizations.file_of(tree, folder)
    content = kustomizations.content(tree, path) if path else {"resources": collected(tree, folder)}
    changed = {**content, **_changes(content, spec)}
    if path and changed == content:
        return tree
    path = path or (f"{folder}/kustomization.yaml" if folder else "kustomization.yaml")
    lines = (f"{json.dumps(key)}: {json.dumps(value)}\n" for key, value in changed.items())
    return WithFiles(tree, {path: "".join(lines).encode()})


def _changes(content: Mapping[str, Json], spec: Mapping[str, Json]) -> dict[str, Json]:
    changed: dict[str, Json] = {}
    for theirs, field in (("targetNamespace", "namespace"), ("namePrefix", "namePrefix"), ("nameSuffix", "nameSuffix")):
        if text(spec.get(theirs)):
            changed[field] = spec[theirs]
    older = [json.dumps(each) for each in mappings(spec.get("patchesStrategicMerge"))]
    single = [{**each, "patch": json.dumps(each.get("patch"))} for each in mappings(spec.get("patchesJson6902"))]
    components = [each for each in spec.get("components") or () if isinstance(each, str)]
    for field, added in (
        ("patches", [dict(each) for each in mappings(spec.get("patches"))]),
        ("patchesStrategicMerge", older),
        ("patchesJson6902", single),
        ("components", components),
    ):
        if added:
            changed[field] = [*(content.get(field) or ()), *added]
    images = mappings(spec.get("images"))
    if images:
        names = {each.get("name") for each in images}
        kept = [each for each in mappings(content.get("images")) if each.get("name") not in names]
        changed["images"] = [*kept, *map(dict, images)]
    return changed


def collected(tree: Tree, folder: str) -> list[str]:
    """What stands in for the resources of a folder without a kustomization: files, and folders that have one."""
    found: list[str] = []
    inner: list[str] = []
    names = {entry.path for entry in tree.entries(folder)}
    for path in sorted(names):
        parts = path[len(folder) :].lstrip("/").split("/") if folder else path.split("/")
        for count in range(1, len(parts)):
            place = "/".join(parts[:count])
            whole = f"{folder}/{place}" if folder else place
            if any(f"{whole}/{name}" in names for name in kustomizations.FILE_NAMES):
                inner.append(place)
                break
    known = list(dict.fromkeys(inner))
    for entry in sorted(tree.entries(folder)):
        place = entry.path[len(folder) :].lstrip("/") if folder else entry.path
        is_inside = any(place.startswith(f"{each}/") for each in known)
        if place.endswith((".yaml", ".yml")) and entry.mode != GITLINK and not is_inside:
            found.append(f"./{place}")
    return sorted([*found, *(f"./{each}" for each in known)])


def variables(
    spec: Mapping[str, Json], namespace: str, resources: Iterable[Resource]
) -> tuple[Values, list[str]] | None:
    """What ``postBuild`` puts in, and where unknown ones would come from; ``None``: it says nothing."""
    if not isinstance(spec.get("postBuild"), Mapping):
        return None
    said = mapping(spec["postBuild"])
    maps = {each.id.name: each for each in resources if each.id.kind == "ConfigMap" and each.id.namespace == namespace}
    known: dict[str, str] = {}
    unknown: list[str] = []
    for reference in mappings(said.get("substituteFrom")):
        kind, name = text(reference.get("kind")), text(reference.get("name"))
        if kind == "ConfigMap" and name in maps:
            known |= {key: str(value) for key, value in mapping(maps[name].body.get("data")).items()}
        else:
            unknown.append(f"{kind} {name}")
    given = mapping(said.get("substitute"))
    wrong = [key for key, value in given.items() if not isinstance(value, str)]
    wrong += [key for key in {**known, **given} if not _VARIABLE.fullmatch(key)]
    if wrong:
        raise RenderError(Failure.TEMPLATE, f"The variable {wrong[0][:80]} of postBuild must be a name with a text.")
    known |= given
    return Values({key: value.replace("\n", "") for key, value in known.items()}, complete=not unknown), unknown


def rewriter(values: Values) -> Callable[[bytes], bytes]:
    """Puts variables into the text of every resource that does not switch it off."""

    def rewrite(output: bytes) -> bytes:
        if not values.known and values.complete:
            return output
        return b"---\n".join(_one(part, values) for part in _SEPARATOR.split(output))

    return rewrite


def _one(part: bytes, values: Values) -> bytes:
    value = next((document.value for document in documents(part)), None)
    metadata = mapping(mapping(value).get("metadata"))
    if "disabled" in {mapping(metadata.get(field)).get(SWITCH) for field in ("labels", "annotations")}:
        return part
    try:
        return substituted(part.decode(), values).encode()
    except BadSubstitution as error:
        name = f"{mapping(value).get('kind')} {metadata.get('name')}"
        raise RenderError(Failure.TEMPLATE, f"Variables can not be put into {name}: {error}.") from None


def with_common_metadata(body: Mapping[str, Json], spec: Mapping[str, Json]) -> Mapping[str, Json]:
    """The labels and annotations that a Kustomization gives to everything."""
    common = mapping(spec.get("commonMetadata"))
    metadata = dict(mapping(body.get("metadata")))
    for field in ("labels", "annotations"):
        added = mapping(common.get(field))
        if added:
            metadata[field] = {**mapping(metadata.get(field)), **added}
    return {**body, "metadata": metadata} if common else body
