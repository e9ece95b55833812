"""Helm, as ``helm template`` renders a chart of the repository: offline, without plugins and post-renderers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from apps.rendering import charts, kubernetes, options, packed
from apps.rendering.export import export, read_file, with_link_targets
from apps.rendering.identity import identity_of
from apps.rendering.model import Failure, Kind, Rendered, RenderError, Source, ToolIdentity
from apps.rendering.paths import joined, listed, rooted
from apps.rendering.protocol import FILES, GITLINK, Target, Tree
from apps.rendering.sandbox.commands import Command, for_go
from apps.rendering.sandbox.isolation import run
from apps.rendering.sandbox.messages import clean_message, warnings_in
from apps.rendering.sandbox.running import Completed
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import Workspace, private_workspace
from apps.rendering.yaml_reader import documents

ENVIRONMENT = {
    "HELM_CACHE_HOME": "{home}/cache", "HELM_CONFIG_HOME": "{home}/config", "HELM_DATA_HOME": "{home}/data",
    "HELM_PLUGINS": "{home}/no-plugins", "KUBECONFIG": "{home}/no-cluster",
}  # fmt: skip
_SOURCE = re.compile(rb"^(?:---|# Source: (.*))\r?$", re.MULTILINE)
_PLACE = re.compile(r"([\w][\w./-]*\.(?:ya?ml|tpl|txt|json)):(\d+)")
_FILE = re.compile(r"(?:error on|in) ([\w][\w./-]*\.(?:ya?ml|tpl|txt|json))")
_VALUES = re.compile(r"(?:failed to parse \./([\w./-]+)|cannot load (values\.yaml)):.*?line (\d+)", re.DOTALL)
_API = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+){0,2}")
_KUBE = re.compile(r"v?\d+(?:\.\d+){0,2}[\w.+-]*")


@dataclass(frozen=True, slots=True)
class Release:
    """What is asked of a chart. ``values``: paths of the repository, the last one wins; ``given``: values that win over all."""

    chart: str
    name: str
    namespace: str = ""
    values: tuple[str, ...] = ()
    given: bytes = b""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    include_crds: bool = True


class Helm:
    """Options: ``chart values release namespace kubeVersion apiVersions includeCrds``."""

    kind = Kind.HELM

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return identity_of("helm", ("version", "--short"), toolbox)

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        release = release_of(target)
        is_packed = release.chart.endswith(packed.SUFFIXES)
        chart = {release.chart} if is_packed else charts.read_chart(tree, release.chart, None).inputs
        return listed(with_link_targets(tree, chart | set(release.values)))

    def render(self, tree: Tree, target: Target, toolbox: Toolbox) -> Rendered:
        tool = self.tool(toolbox)
        release = release_of(target)
        placed, warnings = template(tree, release, toolbox)
        found = kubernetes.resources(placed, release.namespace)
        return Rendered(found, tool, self.inputs(tree, target), warnings, has_charts=True)


def release_of(target: Target) -> Release:
    """The options of a target, checked. Raises ``MISSING_INPUT`` or ``REFUSED``."""
    apis, kube = options.texts(target, "apiVersions"), options.text(target, "kubeVersion")
    if not all(_API.fullmatch(each) for each in apis):
        raise options.wrong(target, "apiVersions", "must be names such as apps/v1")
    if kube and not _KUBE.fullmatch(kube):
        raise options.wrong(target, "kubeVersion", "must be a version such as 1.32")
    return Release(
        chart=options.path(target, "chart"),
        name=options.name(target, "release", target.name) or "release",
        namespace=options.name(target, "namespace"),
        values=tuple(values_path(each) for each in options.texts(target, "values")),
        kube_version=kube,
        api_versions=apis,
        include_crds=options.switch(target, "includeCrds", default=True),
    )


def values_path(path: str) -> str:
    """A values file in the repository. Raises ``REFUSED`` for one that is elsewhere."""
    if "://" in path or set(path) & set(',"\n\r'):
        raise RenderError(
            Failure.REFUSED, f"The values file “{clean_message(path)[:200]}” is no path of the repository."
        )
    return rooted(path, "values file")


def template(tree: Tree, release: Release, toolbox: Toolbox) -> tuple[tuple[kubernetes.Placed, ...], tuple[str, ...]]:
    """The documents that the chart gives, each with its template, and the warnings. Raises ``RenderError``."""
    for path in release.values:
        if not any(entry.path == path for entry in tree.entries(path)):
            raise RenderError(
                Failure.MISSING_INPUT, f"The values file {clean_message(path)} is not in the repository.", path=path
            )
    if release.chart.endswith(packed.SUFFIXES):
        packed.check(read_file(tree, release.chart), release.chart, toolbox.input_limits)
        chart = charts.Chart(release.chart, inputs={release.chart})
    else:
        chart = charts.read_chart(tree, release.chart, toolbox)
    with private_workspace(toolbox) as workspace:
        written = {release.chart, *release.values}
        warnings = export(tree, written, workspace, toolbox.input_limits)
        _add_dependencies(tree, chart, workspace)
        done = run_helm(release, workspace, toolbox)
    return tuple(placed(done.stdout, tree, chart)), (*chart.warnings, *warnings, *warnings_in(done.stderr))


def _add_dependencies(tree: Tree, chart: charts.Chart, workspace: Workspace) -> None:
    """Charts that are named by ``file://`` go where Helm looks for them; the cached ones, too."""
    for place, folder in chart.copied.items():
        for entry in tree.entries(folder):
            if entry.mode not in FILES:
                kind = "another repository" if entry.mode == GITLINK else "a symbolic link"
                text = f"{clean_message(entry.path)} is {kind}; a chart that is used by file:// must hold plain files."
                raise RenderError(Failure.REFUSED, text, path=entry.path)
            path = entry.path[len(folder) :].lstrip("/") if folder else entry.path
            workspace.put(f"{place}/{path}", tree.read(entry.path))
    for place, data in chart.cached.items():
        workspace.put(place, data)


def run_helm(release: Release, workspace: Workspace, toolbox: Toolbox) -> Completed:
    """What the tool prints for a chart of the workspace. Raises ``TEMPLATE`` with its message and place."""
    arguments = ["template", f"--namespace={release.namespace or 'default'}"]
    arguments += [f"--values=./{path}" for path in release.values]
    if release.given:
        workspace.put(".given-values.yaml", release.given)
        arguments.append("--values=./.given-values.yaml")
    arguments += [f"--api-versions={each}" for each in release.api_versions]
    arguments += [f"--kube-version={release.kube_version}"] if release.kube_version else []
    arguments += ["--include-crds"] if release.include_crds else []
    command = Command(
        toolbox.find("helm"),
        (*arguments, "--", release.name, f"./{release.chart}"),
        environment={**ENVIRONMENT, **for_go(toolbox.limits)},
    )
    done = run(command, workspace, toolbox.limits, toolbox)
    if done.returncode == 0:
        return done
    raise _failure(clean_message(done.stderr, (str(workspace.input), "/input")), release, done.returncode)


def _failure(said: str, release: Release, code: int) -> RenderError:
    said = re.sub(r"\n\nUse --debug flag to render out invalid YAML$", "", said) or f"helm ended with {code}."
    values = _VALUES.search(said)
    if values:
        own = joined(release.chart, values.group(2)) if values.group(2) else None
        return RenderError(Failure.TEMPLATE, said, path=own or values.group(1) or "", line=int(values.group(3)))
    place, file = _PLACE.search(said), _FILE.search(said)
    named = place.group(1) if place else file.group(1) if file else ""
    inner = named.partition("/")[2]
    path = joined(release.chart, inner) if inner else ""
    return RenderError(Failure.TEMPLATE, said, path=path or "", line=int(place.group(2)) if place else 0)


def placed(output: bytes, tree: Tree, chart: charts.Chart) -> Iterator[kubernetes.Placed]:
    """The documents with the template that the comment before each names: the first one, for a template may write others."""
    lines: list[int] = []
    names: list[bytes | None] = []
    counted = line = 0
    for match in _SOURCE.finditer(output):
        line += output.count(b"\n", counted, match.start())
        counted = match.start()
        if match.group(1) is not None and names and names[-1] is not None:
            continue
        lines.append(line + 1)
        names.append(match.group(1))
    known = {name: _source(name.decode("utf-8", "replace"), tree, chart) for name in set(filter(None, names))}

    def source_at(at: int) -> Source | None:
        index = bisect_right(lines, at) - 1
        name = names[index] if index >= 0 else None
        return known[name] if name else None

    try:
        for value, at in documents(output):
            yield kubernetes.Placed(value, source_at(at))
    except RenderError as error:
        source = source_at(error.line) if error.line else None
        if source is None:
            raise
        raise RenderError(error.failure, f"What {source.path} gives: {error.message}", path=source.path) from None


def _source(name: str, tree: Tree, chart: charts.Chart) -> Source | None:
    """``web/charts/db/templates/a.yaml`` is in the chart web; or in the chart that took the place of charts/db."""
    place = joined(chart.folder, name.partition("/")[2])
    if place is None:
        return None
    for copy, folder in sorted(chart.copied.items(), key=lambda pair: -len(pair[0])):
        if place.startswith(f"{copy}/"):
            place = joined(folder, place[len(copy) + 1 :]) or place
            break
    if any(entry.path == place for entry in tree.entries(place)):
        return Source(place)
    return Source(chart.folder) if chart.folder.endswith(packed.SUFFIXES) else _packed_source(place, tree)


def _packed_source(place: str, tree: Tree) -> Source | None:
    before, found, inside = place.rpartition("/charts/")
    if not found:
        return None
    dependency = inside.partition("/")[0]
    for entry in tree.entries(f"{before}/charts"):
        file = entry.path.rpartition("/")[2]
        if file.endswith(packed.SUFFIXES) and file.startswith(f"{dependency}-"):
            return Source(entry.path)
    return None
