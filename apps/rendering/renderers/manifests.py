"""Plain manifests: the YAML and JSON files of a folder, or one file, read by ourselves; no tool runs."""

from __future__ import annotations

from collections.abc import Iterator

from apps.rendering import kubernetes, options
from apps.rendering.export import link_end, with_link_targets
from apps.rendering.kustomizations import FILE_NAMES
from apps.rendering.model import Failure, Kind, Rendered, RenderError, ToolIdentity
from apps.rendering.paths import as_folder, below, listed, parent
from apps.rendering.protocol import GITLINK, SYMLINK, Entry, Target, Tree
from apps.rendering.toolbox import Toolbox

READER = ToolIdentity("gitops-portal", "1")
_SUFFIXES = (".yaml", ".yml", ".json")


class Manifests:
    """Options: ``path``, ``recurse`` (default: no, as with ``kubectl apply -f``), ``namespace``."""

    kind = Kind.MANIFESTS

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return READER

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        path = options.path(target, "path")
        return listed(with_link_targets(tree, [path if _is_file(tree, path) else as_folder(path)]))

    def render(self, tree: Tree, target: Target, toolbox: Toolbox) -> Rendered:
        path = options.path(target, "path")
        entries = list(files(tree, path, recurse=options.switch(target, "recurse", default=False)))
        if not entries:
            raise RenderError(Failure.MISSING_INPUT, f"There is no manifest in {as_folder(path)}.", path=path)
        for entry in entries:
            if entry.path.rpartition("/")[2] in FILE_NAMES:
                text = f"{entry.path} is a kustomization: make the target of kind kustomize."
                raise RenderError(Failure.UNSUPPORTED, text, path=entry.path)
        limits = toolbox.input_limits
        if len(entries) > limits.files or sum(entry.size for entry in entries) > limits.total:
            raise RenderError(Failure.TOO_LARGE, f"{as_folder(path)} holds too many manifests.", path=path)
        placed = [each for entry in entries for each in kubernetes.read(tree.read(_plain(tree, entry)), entry.path)]
        found = kubernetes.resources(placed, options.name(target, "namespace"))
        return Rendered(found, READER, self.inputs(tree, target))


def _is_file(tree: Tree, path: str) -> bool:
    return any(entry.path == path for entry in tree.entries(path))


def _plain(tree: Tree, entry: Entry) -> str:
    return link_end(tree, entry.path) if entry.mode == SYMLINK else entry.path


def files(tree: Tree, path: str, *, recurse: bool) -> Iterator[Entry]:
    """The manifests of a folder in the order of their paths, or the one file. Links that end in a folder are left out."""
    for entry in sorted(tree.entries(path)):
        if entry.path == path and entry.mode != GITLINK:
            yield entry
        elif entry.path.endswith(_SUFFIXES) and entry.mode != GITLINK and (recurse or parent(entry.path) == path):
            end = _plain(tree, entry)
            if below(entry.path, path) and _is_file(tree, end):
                yield entry
