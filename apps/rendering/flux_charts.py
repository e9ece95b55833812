"""The chart of a Flux release, as far as it is in the repository or the cache, with the values that the source gives it.

``valuesFiles`` take the place of the chart's own ``values.yaml``, which counts only if it is one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from apps.rendering import charts, packed
from apps.rendering.export import read_file, real_path
from apps.rendering.flux_sources import SOURCE_GROUP, Sources, is_a, mapping, text
from apps.rendering.model import Failure, Json, RenderError, Resource, Source
from apps.rendering.paths import as_folder, joined, rooted
from apps.rendering.protocol import Tree
from apps.rendering.renderers import helm
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.toolbox import Toolbox
from apps.rendering.views import Nothing, WithFiles
from apps.rendering.yaml_reader import documents

_VALUES = "values.yaml"


@dataclass(frozen=True, slots=True)
class Chart:
    """``read``: the values files that were read; ``source``: the package that was opened to change its values."""

    tree: Tree
    place: str
    read: frozenset[str] = frozenset()
    source: Source | None = None


def chart_of(release: Resource, resources: Iterable[Resource], sources: Sources, toolbox: Toolbox) -> Chart:
    """Raises ``RenderError`` for one that is elsewhere, or without a values file that it needs."""
    spec = mapping(release.body.get("spec"))
    wanted, space = mapping(mapping(spec.get("chart")).get("spec")), release.id.namespace
    reference = mapping(spec.get("chartRef"))
    if reference.get("kind") == "HelmChart":
        place = (text(reference.get("namespace")) or space, text(reference.get("name")))
        named = next((each for each in resources if _is_chart(each, place)), None)
        wanted, space = (mapping(named.body.get("spec")), place[0]) if named else ({}, space)
    elif reference:
        return Chart(sources.tree_of(reference, space), "")
    name, source = text(wanted.get("chart")), mapping(wanted.get("sourceRef"))
    if source.get("kind") == "HelmRepository":
        return _with_values(_cached(name, wanted, source, toolbox), wanted, toolbox, in_chart=True)
    chart = Chart(sources.tree_of(source, space), rooted(name, "chart"))
    return _with_values(chart, wanted, toolbox, in_chart=False)


def values_files(wanted: Mapping[str, Json]) -> list[str]:
    """As they are merged, the last one wins; empty: the chart keeps its own values."""
    older = text(wanted.get("valuesFile"))
    found = [each for each in wanted.get("valuesFiles") or () if isinstance(each, str)]
    found = [older, *found] if older else found
    return [] if len(found) == 1 and joined("", found[0]) == _VALUES else found


def merged(under: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Mappings are merged, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _is_chart(resource: Resource, place: tuple[str, str]) -> bool:
    return is_a(resource, SOURCE_GROUP, "HelmChart") and (resource.id.namespace, resource.id.name) == place


def _cached(name: str, wanted: Mapping[str, Json], source: Mapping[str, Json], toolbox: Toolbox) -> Chart:
    version = text(wanted.get("version"))
    data = charts.cached_chart(name, version, toolbox)
    if data is not None:
        file = f"{name}-{version}.tgz"
        return Chart(WithFiles(Nothing(), {file: data}), file)
    what = (
        f"Its chart {name} {version or '(newest)'} comes from HelmRepository {text(source.get('name'))}, another server"
    )
    raise RenderError(
        Failure.UNSUPPORTED, clean_message(f"{what}; charts are not fetched, and the cache does not have it.")
    )


def _with_values(chart: Chart, wanted: Mapping[str, Json], toolbox: Toolbox, *, in_chart: bool) -> Chart:
    """The chart with the values files in the place of its own. ``in_chart``: they are named from the chart on."""
    names = values_files(wanted)
    if not names:
        return chart
    opened = _opened(chart, toolbox) if chart.place.endswith(packed.SUFFIXES) else chart
    folder = real_path(opened.tree, opened.place)
    own = f"{folder}/{_VALUES}" if folder else _VALUES
    if not _is_there(opened.tree, own):
        what = f"The chart in {as_folder(opened.place)} has no {_VALUES}, so Flux can not put its valuesFiles there."
        raise RenderError(Failure.MISSING_INPUT, what, path=own)
    tree = opened.tree if in_chart else chart.tree
    values: dict[str, Json] = {}
    read: set[str] = set()
    for name in names:
        path = rooted(f"{folder}/{name}", "values file") if in_chart else helm.values_path(name)
        if _is_there(tree, path):
            values = merged(values, _mapping_of(tree, path))
            read.add(path)
        elif wanted.get("ignoreMissingValuesFiles") is not True:
            what = f"The values file {clean_message(path)} is not in the {'chart' if in_chart else 'repository'}."
            raise RenderError(Failure.MISSING_INPUT, what, path=path)
    changed = WithFiles(opened.tree, {own: json.dumps(values).encode() if values else b""})
    return replace(opened, tree=changed, read=frozenset() if in_chart else frozenset(read))


def _opened(chart: Chart, toolbox: Toolbox) -> Chart:
    """The chart of a package as a folder."""
    data = read_file(chart.tree, chart.place)
    files = dict(packed.members(data, chart.place, toolbox.input_limits))
    place = next((path.partition("/")[0] for path in files if path.endswith("/Chart.yaml")), "")
    return Chart(WithFiles(Nothing(), files), place, source=Source(chart.place))


def _is_there(tree: Tree, path: str) -> bool:
    return any(entry.path == path for entry in tree.entries(path))


def _mapping_of(tree: Tree, path: str) -> dict[str, Json]:
    found: Json = next((document.value for document in documents(read_file(tree, path), path)), None)
    if found is not None and not isinstance(found, dict):
        raise RenderError(Failure.TEMPLATE, f"The values in {clean_message(path)} are no mapping.", path=path)
    return found or {}
