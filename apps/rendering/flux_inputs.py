"""What a Flux cluster may read, found in its files without building anything; rather too wide than too narrow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from apps.rendering import charts, flux_charts, flux_ignoring, kustomizations
from apps.rendering.export import with_link_targets
from apps.rendering.flux_sources import (
    GENERATOR_GROUP,
    HELM_GROUP,
    KUSTOMIZE_GROUP,
    SOURCE_GROUP,
    group_matches,
    mapping,
    mappings,
    text,
)
from apps.rendering.model import Json, RenderError
from apps.rendering.paths import as_folder, inside, joined, listed
from apps.rendering.protocol import GITLINK, SYMLINK, Tree
from apps.rendering.yaml_reader import documents

EVERYTHING = ("./",)
_MOST = 1_000
# A patch, a prefix or a variable may lead such an object elsewhere than its file says.
_PATCHED = re.compile(rb"spec/(?:path|chart|sourceRef)|path:\s*[\"']?[^\n]*\$\{|chart:\s*[\"']?[^\n]*\$\{")
_OBJECT = re.compile(rb"kind[\"']?\s*:\s*[\"']?(?:Kustomization|HelmRelease|HelmChart|ArtifactGenerator)\b")


def of_cluster(tree: Tree, root: str) -> tuple[str, ...]:
    """Sorted paths; the whole repository where the files do not tell."""
    wanted, is_all = _followed(tree, root)
    return listed(with_link_targets(tree, wanted | set(flux_ignoring.files(tree)))) if is_all else EVERYTHING


def told_by(tree: Tree, root: str) -> tuple[str, ...]:
    """The same as far as the files tell: a patch may lead elsewhere."""
    return listed(_followed(tree, root, to_the_end=True)[0])


def _followed(tree: Tree, root: str, *, to_the_end: bool = False) -> tuple[set[str], bool]:
    """What the objects of the cluster name, and whether that is all that it reads. ``to_the_end``: also where it is not."""
    wanted: set[str] = set()
    is_all = True
    left, seen = [root], set()
    while left:
        folder = left.pop()
        if folder in seen:
            continue
        seen.add(folder)
        inputs = kustomizations.follow(tree, folder, strict=False).inputs
        wanted |= inputs
        for path in _files(tree, {folder, *map(inside, inputs)}):
            data = tree.read(path)
            is_all = is_all and not _PATCHED.search(data) and len(seen) <= _MOST
            if not is_all and (not to_the_end or len(seen) > _MOST):
                return wanted, False
            for body in _bodies(data) if _OBJECT.search(data) else ():
                found = {path for path in _named(tree, body) if _is_there(tree, path)}
                wanted |= found
                left += [inside(each) for each in found if each.endswith("/")]
    return wanted, is_all


def _is_there(tree: Tree, path: str) -> bool:
    return next(iter(tree.entries(inside(path))), None) is not None


def _files(tree: Tree, places: set[str]) -> Iterator[str]:
    """The YAML files of a folder, and of what its kustomization names."""
    for place in places:
        for entry in tree.entries(place):
            if entry.path.endswith((".yaml", ".yml")) and entry.mode not in {GITLINK, SYMLINK}:
                yield entry.path


def _bodies(data: bytes) -> list[Mapping[str, Json]]:
    try:
        return mappings([document.value for document in documents(data)])
    except RenderError:
        return []


def _named(tree: Tree, body: Mapping[str, Json]) -> set[str]:
    """Folders (with a slash) and files that one object names."""
    spec = mapping(body.get("spec"))
    if group_matches(body, KUSTOMIZE_GROUP, "Kustomization"):
        if mapping(spec.get("sourceRef")).get("kind") == "ExternalArtifact":
            return set()  # its path is one of the artifact, whose generator names the folders
        return _folders([text(spec.get("path"))])
    if group_matches(body, GENERATOR_GROUP, "ArtifactGenerator"):
        copies = [copy for artifact in mappings(spec.get("artifacts")) for copy in mappings(artifact.get("copy"))]
        sources = [text(copy.get("from")).partition("/")[2].partition("*")[0] for copy in copies]
        return _folders(sources)
    if group_matches(body, HELM_GROUP, "HelmRelease"):
        return _of_chart(tree, mapping(mapping(spec.get("chart")).get("spec")))
    if group_matches(body, SOURCE_GROUP, "HelmChart"):
        return _of_chart(tree, spec)
    return set()


def _folders(paths: list[str]) -> set[str]:
    found = (joined("", path.lstrip("/")) for path in paths)
    return {as_folder(path) for path in found if path is not None}


def _of_chart(tree: Tree, wanted: Mapping[str, Json]) -> set[str]:
    if mapping(wanted.get("sourceRef")).get("kind") == "HelmRepository":
        return set()
    chart = joined("", text(wanted.get("chart")))
    files = [joined("", each) for each in flux_charts.values_files(wanted)]
    found = charts.read_chart(tree, chart, None).inputs if chart else set()
    return found | {each for each in files if each}
