"""What a repository without a configuration could have as targets: proposals, found in names and contents; no tool runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from apps.rendering import flux_inputs, kustomizations
from apps.rendering.model import Json, Kind, RenderError
from apps.rendering.options import KEEPS_PARAMETERS
from apps.rendering.paths import below, inside, joined, parent
from apps.rendering.protocol import FILES, Tree
from apps.rendering.yaml_reader import documents

MAX_READ = 5_000
_MAX_SIZE = 1 << 20
_ENVIRONMENT = re.compile(
    r"(?:^|[/_.-])(pre-?prod(?:uction)?|prod(?:uction)?|stag(?:e|ing)|dev(?:elopment)?|test(?:ing)?|integration|acceptance|sandbox|qa|uat|live)(?=$|[/_.-])"
)
_FULL = {
    "prod": "production",
    "stage": "staging",
    "dev": "development",
    "testing": "test",
    "live": "production",
} | dict.fromkeys(("preprod", "pre-prod", "pre-production"), "preproduction")
_OBJECT = tuple(
    re.compile(rb"^(?:" + key + rb"):", re.MULTILINE) for key in (b"apiVersion", b"kind", b"metadata|items")
)
_OBJECT_IN_JSON = tuple(re.compile(rb'"(?:' + key + rb')"\s*:') for key in (b"apiVersion", b"kind", b"metadata|items"))
_FLUX = re.compile(rb"^apiVersion:\s*kustomize\.toolkit\.fluxcd\.io/", re.MULTILINE)
_BOOTSTRAP = re.compile(r"(?:.+/)?flux-system/gotk-[^/]+\.ya?ml")
_STACK = re.compile(rb"^[\s{]*[\"']?AWSTemplateFormatVersion|^\s*[\"']?Type[\"']?\s*:\s*[\"']?AWS::", re.MULTILINE)
_ROOT_MODULE = re.compile(rb"^\s*(?:provider\s+\"|backend\s+\"|cloud\s*\{)", re.MULTILINE)
_MODULE_SOURCE = re.compile(rb"^\s*source\s*=\s*\"(\.{1,2}/[^\"]*)\"", re.MULTILINE)
_VALUES = re.compile(r"values[-_.]([\w-]+)\.ya?ml")
_YAML = (".yaml", ".yml")
_MANIFEST = (*_YAML, ".json")
_DATA = (*_MANIFEST, ".template", ".tf")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Detected:
    """A proposal: ``options`` as ``portal.yaml`` has them, and of a stack :data:`~apps.rendering.options.KEEPS_PARAMETERS`;
    ``environment`` is empty where no name tells it.

    ``place``: the path that it is made of, and that tells it from all others of the environment.
    """

    kind: Kind
    name: str
    options: Mapping[str, Json]
    environment: str = ""
    place: str = ""


@dataclass
class _Repository:
    """The files that count, read once; hidden folders are left out. ``manifests``: all that a folder of manifests would be read with."""

    tree: Tree
    files: dict[str, bytes] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    manifests: list[str] = field(default_factory=list)

    def read(self) -> None:
        for entry in sorted(self.tree.entries()):
            if entry.path.endswith(_MANIFEST):
                self.manifests.append(entry.path)
            hidden = any(part.startswith(".") or part == "node_modules" for part in entry.path.split("/"))
            named = entry.path.endswith(_DATA) or entry.path.endswith("/Kustomization")
            if named and not hidden and entry.mode in FILES and entry.size <= _MAX_SIZE and len(self.files) < MAX_READ:
                self.files[entry.path] = self.tree.read(entry.path)

    def is_taken(self, path: str) -> bool:
        return _is_in(path, self.taken)

    @cached_property
    def objects(self) -> set[str]:
        """Files of Kubernetes objects that nothing found before reads."""
        return {path for path, data in self.files.items() if _is_object(path, data) and not self.is_taken(path)}

    @cached_property
    def others(self) -> set[str]:
        """What would be read with a folder of manifests and is none, or is read by something else."""
        return {
            path
            for path in self.manifests
            if path not in self.objects and (self.is_taken(path) or not _says_nothing(self.files.get(path)))
        }


def propose(trees: Iterable[Tree]) -> tuple[Detected, ...]:
    """What is found in any of these trees, each once; as the first tree has it where they differ.

    Two of one environment never have one name: as many of the folders above as it takes tell them apart.
    """
    found: dict[tuple[str, str], Detected] = {}
    for tree in trees:
        for one in detect(tree):
            found.setdefault((one.environment, one.place), one)
    called: dict[tuple[str, str], list[Detected]] = {}
    for key in sorted(found):
        called.setdefault((found[key].environment, found[key].name), []).append(found[key])
    taken = {key for key, rows in called.items() if len(rows) == 1}
    return tuple(one for rows in called.values() for one in _told_apart(rows, taken))


def _told_apart(rows: list[Detected], taken: set[tuple[str, str]]) -> Iterator[Detected]:
    """Proposals of one environment and name with names of their own, none of them ``taken``, to which they are added."""
    if len(rows) == 1:
        yield rows[0]
        return
    most = max(one.place.count("/") for one in rows)
    tried = ([_longer(one, count, end) for one in rows] for end in (False, True) for count in range(1, most + 1))
    names = next((names for names in tried if len(set(names)) == len(rows)), [_plain(one.place) for one in rows])
    for one, name in zip(rows, names, strict=True):
        free, count = name, 1
        while (one.environment, free) in taken:
            count += 1
            free = f"{name}-{count}"
        taken.add((one.environment, free))
        yield replace(one, name=free)


def _longer(one: Detected, count: int, end: bool) -> str:
    """Its name behind those of so many folders above it; ``end``: with the end of its file, as of ``a.json`` beside ``a.yaml``."""
    above = one.place.split("/")[:-1]
    if above and _plain(above[-1]) == one.name:  # it is called after its folder
        above.pop()
    suffix = one.place.rpartition("/")[2].partition(".")[2] if end else ""
    return _plain("-".join(filter(None, [*above[-count:], one.name, suffix])))


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
    return Detected(kind, _plain(name) or kind.value, options, environment or environment_of(path), path)


def _plain(name: str) -> str:
    """As targets are called; of a long name its end, which says most."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower())[-_LONGEST_NAME:].strip("-")


def _clusters(repository: _Repository) -> Iterator[Detected]:
    """Folders that Flux was bootstrapped in, else the topmost ones that hold Kustomizations of it and that no cluster reads."""
    holding = {parent(path) for path, data in repository.files.items() if _FLUX.search(data)}
    booted = {parent(parent(path)) for path in repository.files if _BOOTSTRAP.fullmatch(path)}
    covered: set[str] = set()
    for folder in [*sorted(booted), *sorted(holding - booted, key=lambda each: (each.count("/"), each))]:
        if folder in booted or not _is_in(folder, covered):
            inputs = [inside(path) for path in flux_inputs.told_by(repository.tree, folder) if path != "./"]
            covered |= {folder, *inputs}
            yield _named(Kind.FLUX, folder or "cluster", {"path": folder or "."})
    repository.taken |= covered


def _charts(repository: _Repository) -> Iterator[Detected]:
    folders = [parent(path) for path in repository.files if path == "Chart.yaml" or path.endswith("/Chart.yaml")]
    own = [folder for folder in folders if not any(below(folder, f"{other}/charts".lstrip("/")) for other in folders)]
    for folder in own:
        facts = _mapping(repository.files[f"{folder}/Chart.yaml".lstrip("/")])
        if facts.get("type") != "library" and not repository.is_taken(folder):
            yield from _releases(repository, folder, str(facts.get("name") or "chart"))
    repository.taken |= set(own)


def _releases(repository: _Repository, folder: str, name: str) -> Iterator[Detected]:
    """One for each values file that names an environment; without such files one."""
    options: dict[str, Json] = {"chart": folder or ".", "release": name}
    found = False
    for path in sorted(repository.files):
        match = _VALUES.fullmatch(path.rpartition("/")[2])
        if match and parent(path) == folder and environment_of(match.group(1)):
            found = True
            release = _named(Kind.HELM, name, {**options, "values": [path]}, environment_of(match.group(1)))
            yield replace(release, place=path)
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
    repository.taken |= {inside(path) for reading in readings.values() for path in reading.inputs if path != "./"}


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
            repository.taken.add(path)
            # Its parameters are with whoever makes the stack, so what is given nowhere is no mistake.
            yield replace(detected, options={**detected.options, "stack": detected.name, KEEPS_PARAMETERS: True})


def _manifests(repository: _Repository) -> Iterator[Detected]:
    """Topmost folders of objects, as far down as there is nothing else in them; beside other files each object by itself."""
    folders = {parent(path) for path in repository.objects}
    mixed = {parent(path) for path in repository.others}
    mixed_deep = {above for folder in mixed for above in (folder, *_above(folder))}
    deep = {above for folder in folders for above in _above(folder)}
    whole = folders - mixed_deep
    for folder in sorted(folders):
        if not whole.isdisjoint(_above(folder)):
            continue
        if folder in whole or folder not in mixed:
            recurse = {"recurse": True} if folder in whole and folder in deep else {}
            yield _named(Kind.MANIFESTS, folder or "manifests", {"path": folder or ".", **recurse})
        else:
            here = (path for path in repository.objects if parent(path) == folder)
            yield from (_named(Kind.MANIFESTS, path, {"path": path}) for path in sorted(here))


def _above(folder: str) -> Iterator[str]:
    """The folders that it is in, the repository itself last."""
    while folder:
        folder = parent(folder)
        yield folder


def _is_in(path: str, places: set[str]) -> bool:
    """Whether it is one of these files and folders, or in one."""
    return path in places or not places.isdisjoint(_above(path))


def _is_object(path: str, data: bytes) -> bool:
    if path.rpartition("/")[2] in kustomizations.FILE_NAMES or not path.endswith(_MANIFEST):
        return False
    return all(each.search(data) for each in (_OBJECT if path.endswith(_YAML) else _OBJECT_IN_JSON))


def _says_nothing(data: bytes | None) -> bool:
    """Whether a manifest is there and has nothing but comments in it."""
    return data is not None and all(
        line.strip() in {b"", b"---"} or line.lstrip()[:1] == b"#" for line in data.splitlines()
    )


def _mapping(data: bytes) -> Mapping[str, Json]:
    value: Json = {}
    try:
        value = next((document.value for document in documents(data)), {})
    except RenderError:
        return {}
    return value if isinstance(value, dict) else {}
