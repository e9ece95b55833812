"""What a repository without a configuration could have as targets: proposals, found in names and contents; no tool runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apps.rendering import flux_inputs, kustomizations
from apps.rendering.model import Json, Kind, RenderError
from apps.rendering.paths import below, joined, parent
from apps.rendering.protocol import FILES, Tree
from apps.rendering.yaml_reader import documents

MAX_READ = 5_000
_MAX_SIZE = 1 << 20
_ENVIRONMENT = re.compile(
    r"(?:^|[/_.-])(prod(?:uction)?|stag(?:e|ing)|dev(?:elopment)?|test(?:ing)?|qa|uat|live)(?=$|[/_.-])"
)
_FULL = {"prod": "production", "stage": "staging", "dev": "development", "testing": "test", "live": "production"}
_OBJECT = re.compile(rb"^apiVersion:\s*\S+", re.MULTILINE), re.compile(rb"^kind:\s*\S+", re.MULTILINE)
_FLUX = re.compile(rb"^apiVersion:\s*kustomize\.toolkit\.fluxcd\.io/", re.MULTILINE)
_STACK = re.compile(rb"^[\s{]*[\"']?AWSTemplateFormatVersion|^\s*[\"']?Type[\"']?\s*:\s*[\"']?AWS::", re.MULTILINE)
_ROOT_MODULE = re.compile(rb"^\s*(?:provider\s+\"|backend\s+\"|cloud\s*\{)", re.MULTILINE)
_MODULE_SOURCE = re.compile(rb"^\s*source\s*=\s*\"(\.{1,2}/[^\"]*)\"", re.MULTILINE)
_VALUES = re.compile(r"values[-_.]([\w-]+)\.ya?ml")
_DATA = (".yaml", ".yml", ".json", ".template", ".tf")


@dataclass(frozen=True, slots=True)
class Detected:
    """A proposal: ``options`` as ``portal.yaml`` has them; ``environment`` is empty where no name tells it."""

    kind: Kind
    name: str
    options: Mapping[str, Json]
    environment: str = ""


@dataclass
class _Repository:
    """The files that count, read once; hidden folders are left out."""

    tree: Tree
    files: dict[str, bytes] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def read(self) -> None:
        for entry in sorted(self.tree.entries()):
            hidden = any(part.startswith(".") or part == "node_modules" for part in entry.path.split("/"))
            named = entry.path.endswith(_DATA) or entry.path.endswith("/Kustomization")
            if named and not hidden and entry.mode in FILES and entry.size <= _MAX_SIZE:
                self.files[entry.path] = self.tree.read(entry.path)
            if len(self.files) >= MAX_READ:
                return

    def is_taken(self, path: str) -> bool:
        return any(below(path, folder) for folder in self.taken)


def detect(tree: Tree) -> tuple[Detected, ...]:
    """Clusters first, then charts, kustomizations, root modules, stacks and plain manifests that none of these reads."""
    repository = _Repository(tree)
    repository.read()
    found: list[Detected] = []
    for finder in (_clusters, _charts, _kustomizations, _root_modules, _stacks, _manifests):
        found += finder(repository)
    return tuple(found)


def environment_of(path: str) -> str:
    """The environment that a path names, by the last word that does; empty: none."""
    words = _ENVIRONMENT.findall(path.lower())
    return _FULL.get(words[-1], words[-1]) if words else ""


def _named(kind: Kind, path: str, options: Mapping[str, Json], environment: str = "") -> Detected:
    last = path.rpartition("/")[2].partition(".")[0]
    is_place = bool(environment_of(last)) and "/" in path
    name = parent(path).rpartition("/")[2] if is_place else last
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or kind.value
    return Detected(kind, plain, options, environment or environment_of(path))


def _clusters(repository: _Repository) -> Iterator[Detected]:
    """Folders with ``flux-system``, else the topmost ones that hold Kustomizations of Flux and that no cluster reads."""
    holding = {parent(path) for path, data in repository.files.items() if _FLUX.search(data)}
    booted = {
        parent(folder)
        for folder in (parent(path) for path in repository.files)
        if folder.rpartition("/")[2] == "flux-system"
    }
    covered: set[str] = set()
    for folder in [*sorted(booted), *sorted(holding - booted, key=lambda each: (each.count("/"), each))]:
        if folder in booted or not any(below(folder, each) for each in covered):
            inputs = [path.rstrip("/") for path in flux_inputs.of_cluster(repository.tree, folder) if path != "./"]
            covered |= {folder, *inputs}
            yield _named(Kind.FLUX, folder or "cluster", {"path": folder or "."})
    repository.taken += sorted(covered)


def _charts(repository: _Repository) -> Iterator[Detected]:
    folders = [parent(path) for path in repository.files if path == "Chart.yaml" or path.endswith("/Chart.yaml")]
    own = [folder for folder in folders if not any(below(folder, f"{other}/charts".lstrip("/")) for other in folders)]
    for folder in own:
        facts = _mapping(repository.files[f"{folder}/Chart.yaml".lstrip("/")])
        if facts.get("type") != "library" and not repository.is_taken(folder):
            yield from _releases(repository, folder, str(facts.get("name") or "chart"))
    repository.taken += own


def _releases(repository: _Repository, folder: str, name: str) -> Iterator[Detected]:
    """One for each values file that names an environment; without such files one."""
    options: dict[str, Json] = {"chart": folder or ".", "release": name}
    found = False
    for path in sorted(repository.files):
        match = _VALUES.fullmatch(path.rpartition("/")[2])
        if match and parent(path) == folder and environment_of(match.group(1)):
            found = True
            yield _named(Kind.HELM, name, {**options, "values": [path]}, environment_of(match.group(1)))
    if not found:
        yield _named(Kind.HELM, folder or name, options)


def _kustomizations(repository: _Repository) -> Iterator[Detected]:
    """Those that no other one includes; components are none."""
    roots = [parent(path) for path in repository.files if path.rpartition("/")[2] in kustomizations.FILE_NAMES]
    readings = {folder: kustomizations.follow(repository.tree, folder, strict=False) for folder in roots}
    included = {inner for reading in readings.values() for inner in reading.folders[1:]}
    own = [folder for folder in roots if folder not in included and not repository.is_taken(folder)]
    for folder in own:
        path = kustomizations.file_of(repository.tree, folder)
        if _mapping(repository.files.get(path or "", b"")).get("kind", "Kustomization") == "Kustomization":
            yield _named(Kind.KUSTOMIZE, folder or "manifests", {"path": folder or "."})
    repository.taken += [path.rstrip("/") for reading in readings.values() for path in reading.inputs if path != "./"]


def _root_modules(repository: _Repository) -> Iterator[Detected]:
    modules = {path: data for path, data in repository.files.items() if path.endswith(".tf")}
    used = {
        joined(parent(path), source.decode("utf-8", "replace"))
        for path, data in modules.items()
        for source in _MODULE_SOURCE.findall(data)
    }
    for folder in sorted({parent(path) for path, data in modules.items() if _ROOT_MODULE.search(data)} - used):
        yield _named(Kind.TERRAFORM, folder or "infrastructure", {"path": folder or "."})


def _stacks(repository: _Repository) -> Iterator[Detected]:
    for path, data in repository.files.items():
        if not path.endswith(".tf") and _STACK.search(data) and not repository.is_taken(path):
            detected = _named(Kind.CLOUDFORMATION, path, {"template": path})
            repository.taken.append(path)
            yield Detected(
                detected.kind, detected.name, {**detected.options, "stack": detected.name}, detected.environment
            )


def _manifests(repository: _Repository) -> Iterator[Detected]:
    """Topmost folders of objects that nothing above reads."""
    folders = {
        parent(path)
        for path, data in repository.files.items()
        if path.endswith((".yaml", ".yml"))
        and not repository.is_taken(path)
        and all(each.search(data) for each in _OBJECT)
    }
    for folder in sorted(folders):
        above = any(other != folder and below(folder, other) for other in folders)
        if not above and kustomizations.file_of(repository.tree, folder) is None:
            deep = any(other != folder and below(other, folder) for other in folders)
            yield _named(
                Kind.MANIFESTS, folder or "manifests", {"path": folder or ".", **({"recurse": True} if deep else {})}
            )


def _mapping(data: bytes) -> Mapping[str, Json]:
    value: Json = {}
    try:
        value = next((document.value for document in documents(data)), {})
    except RenderError:
        return {}
    return value if isinstance(value, dict) else {}
