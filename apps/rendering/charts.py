"""A chart and what it needs: its dependencies in the repository, found without running anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.rendering import packed
from apps.rendering.export import read_file, real_path
from apps.rendering.limits import InputLimits
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.paths import as_folder, joined
from apps.rendering.protocol import FILES, Tree
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.toolbox import Toolbox
from apps.rendering.yaml_reader import documents

_LOOKUP = re.compile(rb"\{\{[^}]*\blookup\s+[\"'$.(]")
_EXACT = re.compile(r"v?\d+\.\d+\.\d+[0-9A-Za-z.+-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_CHARTS = 200


@dataclass
class Chart:
    """``copied``: folders of other charts (or packed ones of the cache) by the place in the chart where they belong."""

    folder: str
    name: str = ""
    copied: dict[str, str] = field(default_factory=dict)
    cached: dict[str, bytes] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def facts(tree: Tree, folder: str) -> dict[str, Json]:
    """``Chart.yaml`` with its dependencies (of old charts, from ``requirements.yaml``)."""
    path = _in(folder, "Chart.yaml")
    value = _mapping(tree, path)
    if value is None:
        raise RenderError(
            Failure.MISSING_INPUT, f"There is no chart in {as_folder(folder)} (no Chart.yaml).", path=path
        )
    older = _mapping(tree, _in(folder, "requirements.yaml")) or {}
    needed = value.get("dependencies") or older.get("dependencies") or []
    return {
        **value,
        "dependencies": [each for each in needed if isinstance(each, dict)] if isinstance(needed, list) else [],
    }


def read_chart(tree: Tree, folder: str, toolbox: Toolbox | None) -> Chart:
    """The chart with everything that it needs. Without a toolbox nothing is refused and no cache is asked."""
    chart = Chart(folder, inputs={as_folder(folder)})
    try:
        chart.name = str(facts(tree, folder).get("name") or "")
        _collect(tree, chart, folder, folder, toolbox)
    except RenderError:
        if toolbox is not None:
            raise
    if toolbox is not None:
        _check_packed(tree, chart, toolbox.input_limits)
        if any(_LOOKUP.search(tree.read(path)) for path in _templates(tree, chart)):
            text = (
                "This chart asks the cluster (lookup); rendered here it gets no answer, so what is applied may differ."
            )
            chart.warnings.append(text)
    return chart


def _collect(tree: Tree, chart: Chart, folder: str, place: str, toolbox: Toolbox | None) -> None:
    """Dependencies of the chart in ``folder``, which the tool will see at ``place``; those of dependencies, too."""
    left = [(folder, place)]
    while left:
        folder, place = left.pop()
        for needed in facts(tree, folder)["dependencies"]:
            name, source = str(needed.get("name") or ""), str(needed.get("repository") or "")
            if not _NAME.fullmatch(name):
                raise RenderError(Failure.TEMPLATE, f"{_in(folder, 'Chart.yaml')}: a dependency has no name.")
            vendored = _vendored(tree, folder, name)
            target = _in(place, f"charts/{name}")
            if vendored:
                left += [(vendored, target)] if not vendored.endswith(packed.SUFFIXES) else []
                chart.inputs.add(vendored if vendored.endswith(packed.SUFFIXES) else as_folder(vendored))
            elif source.startswith("file://"):
                other = _local(folder, name, source)
                chart.copied[target] = other
                chart.inputs.add(as_folder(other))
                left.append((other, target))
            elif toolbox is not None:
                _from_cache(chart, folder, needed, target, toolbox)
            if len(chart.copied) > _MOST_CHARTS:
                raise RenderError(Failure.REFUSED, f"The chart {chart.name} needs itself, or too many others.")


def _vendored(tree: Tree, folder: str, name: str) -> str:
    """The folder or packed file under ``charts/``; empty: it is not there."""
    place = _in(folder, f"charts/{name}")
    if next(iter(tree.entries(place)), None) is not None:
        return real_path(tree, place)
    for entry in tree.entries(_in(folder, "charts")):
        file = entry.path.rpartition("/")[2]
        if file.endswith(packed.SUFFIXES) and re.fullmatch(rf"{re.escape(name)}-v?\d.*", file):
            return entry.path
    return ""


def _local(folder: str, name: str, source: str) -> str:
    other = joined(folder, source.removeprefix("file://"))
    if other is None:
        path = _in(folder, "Chart.yaml")
        raise RenderError(Failure.REFUSED, f"{path}: the dependency {name} leads out of the repository.", path=path)
    return other


def _from_cache(chart: Chart, folder: str, needed: dict[str, Json], target: str, toolbox: Toolbox) -> None:
    name, version = str(needed.get("name")), str(needed.get("version") or "")
    data = cached_chart(name, version, toolbox)
    if data is None:
        path = _in(folder, "Chart.yaml")
        text = (
            f"The dependency {name} {version} of {path} is not in {as_folder(_in(folder, 'charts'))}; charts are not fetched "
            "from other servers. Vendor it (helm dependency build) and commit it."
        )
        raise RenderError(Failure.MISSING_INPUT, clean_message(text), path=path)
    chart.cached[f"{target}-{version}.tgz"] = data


def cached_chart(name: str, version: str, toolbox: Toolbox) -> bytes | None:
    """A packed chart of exactly this version from the cache folder, checked; ``None``: it is not there."""
    if toolbox.chart_cache is None or not _NAME.fullmatch(name) or not _EXACT.fullmatch(version):
        return None
    place = toolbox.chart_cache / f"{name}-{version}.tgz"
    if not place.is_file() or place.stat().st_size > toolbox.input_limits.file_size:
        return None
    data = place.read_bytes()
    packed.check(data, place.name, toolbox.input_limits)
    return data


def cache_identity(toolbox: Toolbox) -> list[tuple[str, int, int]]:
    """What names the content of the chart cache: name, size and time of change of each packed chart.

    A chart that is added or packed anew makes other results of the same commit, also where one was missing before.
    """
    if toolbox.chart_cache is None or not toolbox.chart_cache.is_dir():
        return []
    stats = ((place.name, place.stat()) for place in toolbox.chart_cache.glob("*.tgz"))
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _check_packed(tree: Tree, chart: Chart, limits: InputLimits) -> None:
    for folder in {chart.folder, *chart.copied.values()}:
        for entry in tree.entries(folder):
            if entry.path.endswith(packed.SUFFIXES) and entry.mode in FILES:
                packed.check(tree.read(entry.path), entry.path, limits)
            elif entry.path.endswith(packed.SUFFIXES) and "/charts/" in f"/{entry.path}":
                raise RenderError(
                    Failure.REFUSED,
                    f"The packed chart {clean_message(entry.path)} is no plain file.",
                    path=entry.path,
                )


def _templates(tree: Tree, chart: Chart) -> Iterator[str]:
    for folder in {chart.folder, *chart.copied.values()}:
        for entry in tree.entries(folder):
            if "/templates/" in f"/{entry.path}" and entry.mode in FILES and entry.size < 1 << 20:
                yield entry.path


def _mapping(tree: Tree, path: str) -> dict[str, Json] | None:
    if not any(entry.path == path for entry in tree.entries(path)):
        return None
    value: Json = next((document.value for document in documents(read_file(tree, path), path)), {})
    if not isinstance(value, dict):
        raise RenderError(Failure.TEMPLATE, f"{path} is no mapping.", path=path)
    return value


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
